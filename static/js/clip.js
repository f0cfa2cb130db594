// The clip of a round: nothing is loaded until somebody asks to see it. It may be put into the page
// later, with the incident that it belongs to.

let hls;

function loadScript(address) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = address;
    script.addEventListener("load", resolve);
    script.addEventListener("error", () => reject(new Error(`not loaded: ${address}`)));
    document.head.append(script);
  });
}

function makeVideo(box) {
  const video = document.createElement("video");
  video.controls = true;
  video.playsInline = true;
  video.muted = true;
  video.setAttribute("aria-label", box.dataset.name);
  return video;
}

function failed(video) {
  const box = video.closest("[data-clip]");
  video.remove();
  if (box) box.querySelector(".clip-failed").hidden = false;
}

async function show(box) {
  box.querySelector("button").remove();
  const video = makeVideo(box);
  video.addEventListener("error", () => failed(video));
  box.prepend(video);
  video.focus();
  try {
    if (window.MediaSource ?? window.ManagedMediaSource) {
      hls ??= loadScript(box.dataset.hls);
      await hls;
      const player = new window.Hls();
      player.on(window.Hls.Events.ERROR, (_, error) => {
        if (error.fatal) failed(video);
      });
      player.loadSource(box.dataset.clip);
      player.attachMedia(video);
    } else {
      video.src = box.dataset.clip;
    }
    await video.play();
  } catch {
    // loading failed, or the browser wants one more press on the video's own button
    if (!window.Hls && !video.src) failed(video);
  }
}

/** Its button is for a page with this module alone; without it the video itself is there. */
function offer() {
  for (const button of document.querySelectorAll("[data-clip] > button")) button.hidden = false;
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-clip] > button");
  if (button) show(button.parentElement);
});
document.addEventListener("incident", offer);
offer();
