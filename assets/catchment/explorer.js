// What the explorer's page needs beside htmx: a search among its columns, inputs that wait until
// they are filled in, texts that open, and a place for the focus after each change.

const explorer = () => document.getElementById("explorer");

function findColumns(text) {
  const words = text.trim().toLowerCase();
  let found = 0;
  for (const column of document.querySelectorAll("details.column")) {
    column.hidden = !column.dataset.words.toLowerCase().includes(words);
    found += column.hidden ? 0 : 1;
  }
  document.getElementById("no-column").hidden = found > 0;
}

// Before the form hears of it: it would ask anew.
document.addEventListener(
  "input",
  (event) => {
    const { target } = event;
    if (target.id === "find-column") findColumns(target.value);
    if (!target.name || "late" in target.dataset) event.stopPropagation();
  },
  true,
);

document.addEventListener("change", ({ target }) => {
  if ("late" in target.dataset) explorer().requestSubmit();
});

document.addEventListener("click", ({ target }) => {
  const cell = target.closest(".values .cell");
  if (cell && getSelection().isCollapsed) cell.classList.toggle("open");
});

/** Controls whose value the API refuses. */
function markFaults() {
  const faults = [...document.querySelectorAll("[data-fault]")].map(({ dataset }) => dataset.fault);
  for (const control of explorer().elements) {
    if (faults.includes(control.name)) control.setAttribute("aria-invalid", "true");
    else control.removeAttribute("aria-invalid");
  }
}

let opened = [];

document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  opened = [...detail.target.querySelectorAll("details[id]")].map(({ id, open }) => [id, open]);
});

document.addEventListener("htmx:afterSwap", () => {
  for (const [id, open] of opened) {
    const details = document.getElementById(id);
    if (details) details.open = open || (details.matches(".column") && details.open);
  }
  opened = [];
  const search = document.getElementById("find-column");
  if (search.value) findColumns(search.value);
  markFaults();
});

// A chip that is removed takes the focus with it.
document.addEventListener("htmx:afterSettle", () => {
  if (document.activeElement === document.body) {
    document.getElementById("view").focus({ preventScroll: true });
  }
});

// A fault of the server or of the way to it leaves the page as it was.
for (const name of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
  document.addEventListener(name, () => {
    document.getElementById("explorer-fault").hidden = false;
  });
}

markFaults();
