// What pages do beyond their markup: times in the viewer's zone, the theme, charts, the live progress
// of a job, uploads. Every page reads and works without it, except for uploading.
"use strict";

const token = document.querySelector('meta[name="csrf"]')?.content ?? "";

// times in the viewer's zone, which is named, in the locale of the page
function localise(root) {
  const shown = { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short" };
  const format = new Intl.DateTimeFormat(document.documentElement.dataset.locale, shown);
  for (const each of root.querySelectorAll("time[datetime]")) {
    const when = new Date(each.dateTime);
    if (Number.isNaN(when.valueOf())) continue;
    each.textContent = format.format(when);
    each.title = each.dateTime;
  }
}

// ---- charts: their exact numbers under the pointer and for the arrow keys ----
// heard on the document, because a quote puts its chart into a page that is open
function say(figure, index) {
  const marks = [...figure.querySelectorAll("[data-say]")];
  marks.forEach((mark, number) => mark.classList.toggle("now", number === index));
  figure.querySelector("output").textContent = marks[index]?.dataset.say ?? "";
}
document.addEventListener("pointerover", (event) => {
  const mark = event.target.closest?.("figure[data-chart] [data-say]");
  if (!mark) return;
  const figure = mark.closest("figure[data-chart]");
  say(figure, [...figure.querySelectorAll("[data-say]")].indexOf(mark));
});
document.addEventListener("keydown", (event) => {
  const figure = event.target;
  if (!figure.matches?.("figure[data-chart]")) return;
  const marks = [...figure.querySelectorAll("[data-say]")];
  const at = marks.findIndex((mark) => mark.classList.contains("now"));
  const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: marks.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  const index = Math.min(Math.max(to, 0), marks.length - 1);
  say(figure, index);
  marks[index]?.scrollIntoView({ block: "nearest" });
});

// ---- theme ----
function dark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

// a step that its page need not be read for: on to another site, or with what came back from there
document.querySelector("form[data-now]")?.requestSubmit();
const onward = document.querySelector("a[data-now]");
if (onward) location.replace(onward.href);

// the key / leads to the search box, unless somebody writes
document.addEventListener("keydown", (event) => {
  const box = document.getElementById("find");
  if (!box || event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  event.preventDefault();
  box.focus();
});

// ---- command palette: Ctrl K or Cmd K, written words filter, arrow keys choose, Enter goes there ----
const palette = document.getElementById("palette");
if (palette) {
  const words = palette.querySelector("input");
  const list = palette.querySelector("ul");
  for (const heading of document.querySelectorAll("main h2[id]")) {
    const item = document.createElement("li");
    item.setAttribute("role", "option");
    item.dataset.path = `#${heading.id}`;
    item.textContent = heading.textContent.trim();
    list.append(item);
  }
  const items = [...list.children];
  items.forEach((item, number) => { item.id = `command-${number}`; });
  const go = (item) => {
    palette.close();
    location.assign(item.dataset.path);
  };
  let chosen = 0;
  const shown = () => items.filter((item) => !item.hidden);
  const choose = (index) => {
    chosen = index;
    items.forEach((item) => item.setAttribute("aria-selected", "false"));
    const item = shown()[index];
    item?.setAttribute("aria-selected", "true");
    item?.scrollIntoView({ block: "nearest" });
    if (item) words.setAttribute("aria-activedescendant", item.id);
    else words.removeAttribute("aria-activedescendant");
  };
  const filter = () => {
    const wanted = words.value.trim().toLocaleLowerCase();
    for (const item of items) item.hidden = !item.textContent.toLocaleLowerCase().includes(wanted);
    choose(0);
  };
  const open = () => {
    words.value = "";
    filter();
    palette.showModal();
    words.focus();
  };
  document.getElementById("commands").addEventListener("click", open);
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
    event.preventDefault();
    if (palette.open) palette.close();
    else open();
  });
  words.addEventListener("input", filter);
  palette.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const count = shown().length;
    if (step && count) {
      event.preventDefault();
      choose((chosen + step + count) % count);
    } else if (event.key === "Enter" && count) {
      event.preventDefault();
      go(shown()[chosen]);
    }
  });
  palette.addEventListener("click", (event) => {
    const item = event.target.closest("[role=option]");
    if (item) go(item);
    else if (event.target === palette) palette.close();
  });
}

document.getElementById("theme")?.addEventListener("click", () => {
  const theme = dark() ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  // under https only this host can set a cookie so named
  const [name, bound] = location.protocol === "https:" ? ["__Host-theme", "; secure"] : ["theme", ""];
  document.cookie = `${name}=${theme}; path=/; max-age=31536000; samesite=strict${bound}`;
});

// ---- a job's progress ----
for (const panel of document.querySelectorAll("[data-stream]")) {
  const source = new EventSource(panel.dataset.stream);
  source.addEventListener("progress", (event) => {
    panel.innerHTML = event.data;
    localise(panel);
  });
  source.addEventListener("end", () => {
    source.close();
    location.reload();
  });
}

// ---- forms ----
// fields that an error speaks of are marked, and the first is where one goes on
for (const form of document.querySelectorAll("form[data-fields]")) {
  const wrong = form.dataset.fields.split(/\s+/).map((name) => form.elements[name]).filter((field) => field?.setAttribute);
  for (const field of wrong) {
    field.setAttribute("aria-invalid", "true");
    field.setAttribute("aria-describedby", "problem");
  }
  wrong[0]?.focus();
}
document.addEventListener("submit", (event) => {
  const question = event.target.dataset?.confirm;
  if (question && !confirm(question)) event.preventDefault();
});
document.addEventListener("click", async (event) => {
  const text = event.target.dataset?.copy;
  if (!text) return;
  await navigator.clipboard.writeText(text);
  event.target.textContent = document.body.dataset.copied;
});
// what is shown once came as the answer to a form: a reload asks for the page, and sends the form no second time
if (document.querySelector(".secret")) history.replaceState(null, "", location.href);

// what is offered to a new valuation: narrowed by words, by what is predicted and by licence; all that is shown, ticked
const narrowing = document.getElementById("narrowing");
if (narrowing) {
  const rows = [...document.querySelectorAll("#offers tbody tr")];
  const box = (row) => row.querySelector("input[name=datasets]");
  const field = (name) => narrowing.querySelector(`[data-narrow=${name}]`);
  const count = () => {
    const said = document.getElementById("ticked");
    const numbers = { "{a}": rows.filter((row) => !row.hidden).length, "{b}": rows.length, "{c}": rows.filter((row) => box(row).checked).length };
    said.textContent = said.dataset.words.replace(/\{[abc]\}/g, (place) => numbers[place]);
  };
  const narrow = () => {
    const words = field("words").value.trim().toLocaleLowerCase().split(/\s+/);
    const predicts = field("predicts").value;
    for (const row of rows) {
      const text = row.textContent.toLocaleLowerCase();
      const fits = !field("fits").checked || row.querySelector("[data-fits]").dataset.fits === "yes";
      row.hidden = !fits || (predicts && row.dataset.predicts !== predicts) || !words.every((word) => text.includes(word));
    }
    count();
  };
  // looking for datasets changes no order: the quote is not asked again
  for (const kind of ["input", "change"]) narrowing.addEventListener(kind, (event) => { event.stopPropagation(); narrow(); });
  narrowing.addEventListener("keydown", (event) => { if (event.key === "Enter" && event.target.matches("input")) event.preventDefault(); });
  for (const button of narrowing.querySelectorAll("[data-tick]")) {
    button.addEventListener("click", () => {
      const all = button.dataset.tick === "all";
      for (const row of rows) if (!all || !row.hidden) box(row).checked = all;
      count();
      rows[0].dispatchEvent(new Event("change", { bubbles: true }));
    });
  }
  document.getElementById("offers").addEventListener("change", count);
  document.addEventListener("htmx:afterSettle", narrow);
  narrowing.hidden = false;
  narrow();
}

document.addEventListener("htmx:configRequest", (event) => {
  event.detail.headers["X-CSRF-Token"] = token;
});

document.addEventListener("htmx:afterSwap", (event) => localise(event.detail.target));

// ---- uploads ----
// what is said of an upload, in the language of the page
const spoken = (name) => JSON.parse(upload.dataset.words)[name];
const upload = document.getElementById("upload");
if (upload) {
  const drop = document.getElementById("drop");
  const input = document.getElementById("file");
  const say = (text) => { document.getElementById("sent").textContent = text; };
  const refuse = (text) => {
    const place = document.getElementById("upload-problem");
    place.className = text ? "problem" : "";
    place.textContent = text;
  };
  const choose = () => {
    const file = input.files[0];
    if (!file) return;
    document.getElementById("chosen").textContent = `${file.name} (${(file.size / 1000).toFixed(1)} kB)`;
    if (upload.elements.name && !upload.elements.name.value) upload.elements.name.value = file.name.replace(/\.[^.]+$/, "");
    offerColumns(file);
  };
  input.addEventListener("change", choose);
  upload.querySelector("[data-reading=sheet]")?.addEventListener("change", () => { if (input.files[0]) offerColumns(input.files[0]); });
  for (const kind of ["dragenter", "dragover"]) drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
  for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    input.files = event.dataTransfer.files;
    choose();
  });
  const stop = document.getElementById("stop");
  upload.addEventListener("submit", async (event) => {
    event.preventDefault();
    refuse("");
    const file = input.files[0];
    if (!file && upload.dataset.optional === undefined) return refuse(spoken("choose"));
    if (file?.size === 0) return refuse(spoken("empty"));
    const button = upload.querySelector("button");
    button.disabled = true;
    document.getElementById("sending").hidden = false;
    const ending = new AbortController();
    const end = () => ending.abort();
    stop?.addEventListener("click", end);
    const bar = upload.querySelector("progress");
    try {
      const kept = file && remembered(upload, file);
      const own = upload.dataset.uploads && { uploads: upload.dataset.uploads, page: location.pathname };
      const answer = kept ?? own ?? (await create(upload));
      if (!file) return location.assign(answer.page);
      try {
        if (answer.uploads) await sendParts(answer, declared(upload), file, bar, say, ending.signal);
        else await send("PUT", answer.content, file, bar, say, ending.signal, 0, file.size);
      } catch (error) {
        // a draft whose file was refused, or given up, is of no use: the next try makes a new one
        if (!error.broken && answer.uploads && !upload.dataset.uploads) await fetch(`${answer.page}/delete`, { method: "POST", headers: { "X-CSRF-Token": token, Accept: "application/json" } });
        throw error;
      }
      location.assign(answer.page);
    } catch (error) {
      refuse(error.message);
      document.getElementById("sending").hidden = true;
      button.disabled = false;
    } finally {
      stop?.removeEventListener("click", end);
    }
  });
}

// the columns that a file's header names, offered as what is to be predicted; a file that names none offers none
async function offerColumns(file) {
  const list = document.getElementById("header");
  if (!list || !window.columnsOf) return;
  list.replaceChildren();
  const sheet = document.querySelector("[data-reading=sheet]")?.value.trim() ?? "";
  const names = await columnsOf(file, sheet).catch(() => []);
  // another file may have been chosen meanwhile
  if (document.getElementById("file").files[0] !== file) return;
  for (const name of [...new Set(names.filter(Boolean))].slice(0, 2000)) {
    const option = document.createElement("option");
    option.value = name;
    list.append(option);
  }
}

async function create(form) {
  const fields = new URLSearchParams(new FormData(form));
  const created = await fetch(form.getAttribute("action"), { method: "POST", body: fields, headers: { "X-CSRF-Token": token, Accept: "application/json" } });
  const answer = await created.json();
  if (!created.ok) throw new Error(answer.detail);
  return answer;
}

// what the page's visitor declares of how the file is written, as a query
function declared(form) {
  const query = new URLSearchParams();
  for (const field of form.querySelectorAll("[data-reading]")) {
    const said = field.value.trim();
    const values = ["columns", "read"].includes(field.dataset.reading) ? said.split(",").map((name) => name.trim()) : [said];
    if (said) for (const value of values) query.append(field.dataset.reading, value);
  }
  return query.size ? `?${query}` : "";
}

// ---- a file in parts: what came stays at the service for a day, and its address in this browser ----
const PART_BYTES = 8 * 1024 * 1024;
const TRIES = 8;
const keyOf = (file) => `upload ${file.name} ${file.size} ${file.lastModified}`;

// where an earlier try with this file went, if it was for this form's dataset, or made a draft of its own
function remembered(form, file) {
  let kept = null;
  try { kept = JSON.parse(localStorage.getItem(keyOf(file))); } catch { /* nothing that can be read: begin anew */ }
  return kept && kept.form === (form.dataset.uploads ?? "") ? kept : null;
}

async function sendParts(answer, query, file, bar, say, signal) {
  const headers = { "X-CSRF-Token": token, Accept: "application/json" };
  const asked = async (path, how) => {
    const got = await fetch(path, { headers, ...how });
    const body = await got.json().catch(() => ({}));
    if (!got.ok) throw refusal(body.detail ?? spoken("failed"), got.status);
    return body;
  };
  let known = null;
  if (answer.upload) known = await asked(answer.upload).catch(() => null);
  if (!known) {
    known = await asked(answer.uploads + query, { method: "POST", headers: { ...headers, "Upload-Length": file.size } });
    answer = { ...answer, upload: known.upload, form: upload.dataset.uploads ?? "" };
    localStorage.setItem(keyOf(file), JSON.stringify(answer));
  }
  let tries = 0;
  while (known.offset < file.size) {
    try {
      known = await send("PATCH", answer.upload, file, bar, say, signal, known.offset, Math.min(known.offset + PART_BYTES, file.size));
      tries = 0;
    } catch (error) {
      if (error.ended) {
        localStorage.removeItem(keyOf(file));
        await fetch(answer.upload, { method: "DELETE", headers }).catch(() => null);
        throw error;
      }
      if (!error.broken && error.status !== 409) {
        localStorage.removeItem(keyOf(file));
        throw error;
      }
      tries += 1;
      if (tries > TRIES) throw error;
      say(spoken("again"));
      await new Promise((resume) => { setTimeout(resume, Math.min(250 * 2 ** tries, 8000)); });
      try { known = await asked(answer.upload); } catch (again) { if (again.status) throw again; }
    }
  }
  localStorage.removeItem(keyOf(file));
}

function refusal(detail, status) {
  const error = new Error(detail);
  error.status = status;
  return error;
}

// some bytes of a file, as one request; what is answered
function send(method, path, file, bar, say, signal, from, to) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, path);
    request.setRequestHeader("X-CSRF-Token", token);
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("Content-Type", method === "PUT" ? "application/octet-stream" : "application/offset+octet-stream");
    if (method !== "PUT") request.setRequestHeader("Upload-Offset", from);
    request.upload.addEventListener("progress", (event) => {
      bar.value = (from + event.loaded) / file.size;
      say(from + event.loaded < file.size ? spoken("part").replace("{a}", Math.round(100 * bar.value)) : spoken("sent"));
    });
    request.addEventListener("load", () => {
      let said = {};
      try { said = JSON.parse(request.responseText); } catch { /* not JSON: the sentence below */ }
      if (request.status < 300) return resolve(said);
      const error = refusal(said.detail ?? spoken("failed"), request.status);
      error.broken = request.status >= 502;
      reject(error);
    });
    request.addEventListener("error", () => {
      const error = new Error(spoken("broken"));
      if (method === "PUT") error.message = spoken("lost");
      error.broken = true;
      reject(error);
    });
    request.addEventListener("abort", () => {
      const error = new Error(spoken("cancelled"));
      error.ended = true;
      reject(error);
    });
    if (signal.aborted) return request.dispatchEvent(new Event("abort"));
    signal.addEventListener("abort", () => request.abort(), { once: true });
    request.send(method === "PUT" ? file : file.slice(from, to));
  });
}

localise(document);
