// Whose copy a file is: the file is sent as it is, and the answer is a part of the page.
"use strict";

const form = document.getElementById("trace");
const csrf = document.querySelector('meta[name="csrf"]')?.content ?? "";

form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const [status, button, place] = [form.querySelector("[role=status]"), form.querySelector("button"), document.getElementById("traced")];
  status.textContent = status.dataset.busy;
  button.disabled = true;
  try {
    const headers = { "Content-Type": "application/octet-stream", "X-CSRF-Token": csrf, Accept: "application/json" };
    const answer = await fetch(form.action, { method: "PUT", body: form.elements.file.files[0], headers });
    const said = await answer.text();
    if (answer.headers.get("Content-Type")?.startsWith("text/html")) place.innerHTML = said;
    else place.textContent = JSON.parse(said).detail;
  } catch (error) {
    place.textContent = error.message;
  } finally {
    status.textContent = "";
    button.disabled = false;
  }
});
