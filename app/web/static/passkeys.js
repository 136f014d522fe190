// Passkeys: what the browser and its device do, between two calls of the API. Without it one logs in with a password.
"use strict";

const sent = document.querySelector('meta[name="csrf"]')?.content ?? "";

const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (each) => each.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

// where this site lies on its host
const base = document.documentElement.dataset.base;

async function call(path, body) {
  const answer = await fetch(base + path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF-Token": sent },
    body: JSON.stringify(body ?? {}),
  });
  const read = answer.status === 204 ? null : await answer.json();
  if (!answer.ok) throw new Error(read.detail);
  return read;
}

// a credential as JSON; older browsers cannot say it themselves
function plain(credential) {
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[name]) response[name] = text(credential.response[name]);
  }
  return { id: credential.id, rawId: text(credential.rawId), type: credential.type, response };
}

async function make(form) {
  const options = (await call("v1/me/passkeys/options", { password: form.elements.password.value })).public_key;
  const publicKey = {
    ...options,
    challenge: bytes(options.challenge),
    user: { ...options.user, id: bytes(options.user.id) },
    excludeCredentials: options.excludeCredentials.map((each) => ({ ...each, id: bytes(each.id) })),
  };
  const credential = await navigator.credentials.create({ publicKey });
  await call("v1/me/passkeys", { name: form.elements.name.value, credential: plain(credential) });
  location.assign(base + "passkeys");
}

async function enter(place) {
  const options = (await call("v1/sessions/passkey/options")).public_key;
  const publicKey = { ...options, challenge: bytes(options.challenge), allowCredentials: [] };
  const credential = await navigator.credentials.get({ publicKey });
  await call("v1/sessions/passkey", { credential: plain(credential) });
  location.assign(base + "login?next=" + encodeURIComponent(place.dataset.next));
}

function tell(place, error) {
  place.querySelector("[role=alert]").textContent = error.name === "NotAllowedError" ? "The device did not answer." : error.message;
}

if (window.PublicKeyCredential) {
  const login = document.getElementById("with-passkey");
  if (login) {
    login.hidden = false;
    login.querySelector("button").addEventListener("click", () => enter(login).catch((error) => tell(login, error)));
  }
  const form = document.getElementById("new-passkey");
  form?.addEventListener("submit", (event) => {
    event.preventDefault();
    make(form).catch((error) => tell(form, error));
  });
}
