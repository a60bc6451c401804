// What every page does with a script, and can do without one: the summary of a
// form's problems takes the focus, long digests get a button that copies them.
// Text is set as text only; the site's policy lets no script make HTML of it.

const said = document.getElementById("said");

document.querySelector("[data-focus]")?.focus();

for (const element of document.querySelectorAll("[data-copy]")) {
  if (element === said || !navigator.clipboard) continue;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = said.dataset.copy;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(element.dataset.copy);
    said.textContent = said.dataset.copied;
  });
  element.after(" ", button);
}
