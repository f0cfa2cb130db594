// The amounts offered beside the free text: choosing one writes it, writing takes the choice back.
// Without this module the form takes either, and asks where both came.

for (const form of document.querySelectorAll("[data-amounts]")) {
  const amount = form.elements.amount;
  const offered = form.querySelectorAll("[name=quick]");
  form.addEventListener("change", (event) => {
    if (event.target.name === "quick") amount.value = event.target.value;
  });
  amount.addEventListener("input", () => {
    for (const one of offered) one.checked = false;
  });
}
