// What the explorer's page needs beside htmx: a search among its columns, inputs that wait until
// they are filled in, links that wait for what was typed, texts that open, and a place for the focus
// after each change.

const explorer = () => document.getElementById("explorer");

// Changes of the form, how many of them were asked for, and how many are answered.
let changed = 0;
let asked = 0;
let answered = 0;

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
    else changed += 1;
  },
  true,
);

document.addEventListener("change", ({ target }) => {
  if (!("late" in target.dataset)) return;
  changed += 1;
  explorer().requestSubmit();
});

document.addEventListener("htmx:configRequest", () => {
  asked = changed;
});

document.addEventListener("htmx:afterOnLoad", () => {
  answered = asked;
});

/** What a link is called in the view, and in the one that takes its place. */
const nameLink = (link) => link.id || link.closest("[aria-label]")?.ariaLabel + link.textContent;

let followed = "";

// A link knows what was typed before it was made: it is followed from the view that knows the rest.
document.addEventListener(
  "click",
  (event) => {
    const link = event.target.closest("#view a[href]");
    const isElsewhere = event.ctrlKey || event.metaKey || event.shiftKey;
    if (!link || isElsewhere || changed === answered || !explorer().checkValidity()) return;
    event.preventDefault();
    event.stopPropagation();
    followed = nameLink(link);
    if (asked < changed) explorer().requestSubmit();
  },
  true,
);

document.addEventListener("htmx:afterSettle", () => {
  const links = followed ? [...document.querySelectorAll("#view a[href]")] : [];
  const link = links.find((each) => nameLink(each) === followed);
  followed = "";
  link?.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true }));
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
  document.addEventListener(name, ({ detail }) => {
    const isTooLong = detail.xhr.status === 414;
    document.getElementById("explorer-fault").hidden = isTooLong;
    document.getElementById("explorer-too-long").hidden = !isTooLong;
    answered = asked;
    followed = "";
  });
}

markFaults();
