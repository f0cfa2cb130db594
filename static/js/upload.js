// Sending documents: shows what was chosen, says at once when it is too large, sends once.
// Without this module the form works the same; the server judges every file anyway.

const form = document.querySelector(".upload-form");
const PREVIEW_BYTES_MAX = 12 * 1024 * 1024;

/** The chosen file's name, and its picture where it is one. */
function shown(file) {
  const line = document.createElement("p");
  line.className = "upload-chosen";
  const name = document.createElement("span");
  name.textContent = file.name;
  line.append(name);
  if (file.type.startsWith("image/") && file.size < PREVIEW_BYTES_MAX) {
    const reader = new FileReader();
    reader.addEventListener("load", () => {
      const picture = document.createElement("img");
      picture.alt = "";
      picture.addEventListener("error", () => picture.remove()); // a type this browser cannot draw
      picture.src = reader.result;
      line.prepend(picture);
    });
    reader.readAsDataURL(file);
  }
  return line;
}

function refusal(words) {
  const line = document.createElement("p");
  line.className = "field-error upload-told";
  line.setAttribute("role", "alert");
  line.textContent = words;
  return line;
}

function chosen(input) {
  const slot = input.closest(".upload");
  for (const old of slot.querySelectorAll(".upload-chosen, .upload-told")) old.remove();
  const tooLarge = [...input.files].some((file) => file.size > Number(form.dataset.bytesMax));
  if (tooLarge) {
    input.value = "";
    slot.append(refusal(form.dataset.tooLarge));
  }
  for (const other of slot.querySelectorAll("input[type=file]")) {
    for (const file of other.files) slot.append(shown(file));
  }
}

if (form) {
  form.classList.add("is-live");
  form.addEventListener("change", (event) => {
    if (event.target.matches("input[type=file]")) chosen(event.target);
  });
  // A hand may be quicker than this module, and a page that comes back keeps what was chosen.
  for (const input of form.querySelectorAll("input[type=file]")) {
    if (input.files.length > 0) chosen(input);
  }
  form.addEventListener("submit", () => {
    const button = form.querySelector(".form-actions button");
    button.setAttribute("aria-disabled", "true");
    button.textContent = form.dataset.sending;
    form.addEventListener("submit", (again) => again.preventDefault());
  });
  form.querySelector(".error-summary")?.focus();
}
