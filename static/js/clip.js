// The clip on a round's page: nothing is loaded until somebody asks to see it.

const box = document.querySelector("[data-clip]");
const button = box.querySelector("button");

function loadScript(address) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = address;
    script.addEventListener("load", resolve);
    script.addEventListener("error", () => reject(new Error(`not loaded: ${address}`)));
    document.head.append(script);
  });
}

function makeVideo() {
  const video = document.createElement("video");
  video.controls = true;
  video.playsInline = true;
  video.muted = true;
  video.setAttribute("aria-label", box.dataset.name);
  return video;
}

function failed(video) {
  video.remove();
  box.querySelector(".clip-failed").hidden = false;
}

async function show() {
  button.remove();
  const video = makeVideo();
  video.addEventListener("error", () => failed(video));
  box.prepend(video);
  video.focus();
  try {
    if (window.MediaSource ?? window.ManagedMediaSource) {
      await loadScript(box.dataset.hls);
      const hls = new window.Hls();
      hls.on(window.Hls.Events.ERROR, (_, error) => {
        if (error.fatal) failed(video);
      });
      hls.loadSource(box.dataset.clip);
      hls.attachMedia(video);
    } else {
      video.src = box.dataset.clip;
    }
    await video.play();
  } catch {
    // loading failed, or the browser wants one more press on the video's own button
    if (!window.Hls && !video.src) failed(video);
  }
}

button.hidden = false;
button.addEventListener("click", show);
