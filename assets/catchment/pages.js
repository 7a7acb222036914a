// What all pages need beside htmx: addresses without empty parameters, answers of ours alone, and
// buttons that copy.

/** A filter that is not filled in is no part of the address. */
document.addEventListener("htmx:configRequest", (event) => {
  if (event.detail.verb !== "get") return;
  const { formData } = event.detail;
  for (const name of new Set(formData.keys())) {
    const filled = formData.getAll(name).filter((value) => value !== "");
    formData.delete(name);
    for (const value of filled) formData.append(name, value);
  }
});

/** Only pages of ours are put into a page: what somebody sent may hold attributes that htmx obeys. */
document.addEventListener("htmx:beforeSwap", (event) => {
  const type = event.detail.xhr.getResponseHeader("Content-Type") ?? "";
  if (!type.startsWith("text/html")) event.detail.shouldSwap = false;
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const label = button.textContent;
  await navigator.clipboard.writeText(button.dataset.copy);
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = label), 1500);
});
