// What lives on the pages of imports is replaced again and again: never under a finger, a key or a
// selection, and a server that has fallen silent is told of.

let pressed = false;

for (const name of ["pointerdown", "keydown"]) addEventListener(name, () => (pressed = true), true);
for (const name of ["pointerup", "pointercancel", "keyup", "blur"]) {
  // After the click that it ends with.
  addEventListener(name, () => setTimeout(() => (pressed = false)), true);
}

function isReading(element) {
  const selection = getSelection();
  return !selection.isCollapsed && selection.containsNode(element, true);
}

document.addEventListener("htmx:beforeSwap", (event) => {
  const { target } = event.detail;
  if (target.matches("[data-live]") && (pressed || isReading(target))) {
    event.detail.shouldSwap = false;
  }
});

function tell(isSilent) {
  document.getElementById("live-fault").hidden = !isSilent;
}

document.addEventListener("htmx:afterRequest", (event) => tell(event.detail.failed));
for (const name of ["htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(name, () => tell(true));
}
