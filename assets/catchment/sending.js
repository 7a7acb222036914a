// Sends a payload through the door that programs use: the very bytes that were typed, or of the file.

document.addEventListener("submit", async (event) => {
  const form = event.target.closest("[data-send]");
  if (!form) return;
  event.preventDefault();
  const { body, file, csrfmiddlewaretoken: token } = form.elements;
  const button = form.querySelector("[type=submit]");
  button.disabled = true;
  try {
    const response = await fetch(form.dataset.send, {
      method: "POST",
      body: file.files[0] ?? body.value,
      headers: { "Content-Type": "application/json", "X-CSRFToken": token.value },
    });
    show(form, response, await response.json());
    file.value = "";
  } catch (error) {
    tell(form, `It could not be sent: ${error.message}`, true);
  }
  button.disabled = false;
  button.focus();
  document.body.dispatchEvent(new CustomEvent("sent"));
});

function show(form, response, answer) {
  const said = (answer.errors ?? []).map(({ detail }) => detail).join(", ");
  const wait = response.headers.get("Retry-After");
  if (!answer.id) {
    tell(form, `Not received (${response.status}): ${said}${wait ? `, again in ${wait} s` : ""}`, true);
    return;
  }
  tell(form, said ? `Received, but ${said}: ` : "Received: ", Boolean(said));
  const link = document.createElement("a");
  link.href = `${form.dataset.payloads}${answer.id}/`;
  link.textContent = `payload ${answer.id}`;
  form.querySelector(".answer").append(link);
}

function tell(form, text, isFault) {
  const place = form.querySelector(".answer");
  place.textContent = text;
  place.classList.toggle("fault", isFault);
}
