// What lives on the pages of imports is replaced again and again: never under a finger, a key or a
// selection. Whatever is not answered is told of.
import { readFault } from "./faults.js";

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

/** Of what is read anew by itself: until it is answered again. */
function tellOld(text) {
  const place = document.getElementById("live-fault");
  place.textContent = text && `${text} What stands here may be old; it is asked for again and again.`;
  place.hidden = !text;
}

/** Of what somebody did: until something else is done. */
function tellDone(text) {
  const fault = document.createElement("span");
  fault.className = "fault";
  fault.textContent = text;
  document.getElementById("live-message").replaceChildren(fault);
}

const isLooking = ({ requestConfig }) => requestConfig.verb === "get";
const tellFault = ({ detail }) => (isLooking(detail) ? tellOld : tellDone)(readFault(detail.xhr));

document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.failed) tellFault(event);
  else if (event.detail.successful && isLooking(event.detail)) tellOld("");
});
for (const name of ["htmx:sendError", "htmx:timeout"]) document.addEventListener(name, tellFault);
