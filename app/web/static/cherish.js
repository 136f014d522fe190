// What pages do beyond their markup: times and amounts in the viewer's own terms, the theme, charts, the live progress
// of a job, uploads. Every page reads and works without it, except for uploading.
"use strict";

const token = document.querySelector('meta[name="csrf"]')?.content ?? "";

function localise(root) {
  for (const each of root.querySelectorAll("time[datetime]")) {
    const when = new Date(each.dateTime);
    if (Number.isNaN(when.valueOf())) continue;
    each.textContent = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" }).format(when);
    each.title = each.dateTime;
  }
  for (const each of root.querySelectorAll("data.money")) {
    // decimal strings go in as they are, so that no amount is rounded to a binary fraction
    const style = { style: "currency", currency: each.dataset.currency };
    each.textContent = new Intl.NumberFormat(undefined, style).format(each.value);
  }
}

// ---- charts ----
function themed(spec, width) {
  const root = getComputedStyle(document.documentElement);
  const colour = (name) => root.getPropertyValue(name).trim();
  const config = {
    background: null,
    font: "system-ui, 'DejaVu Sans', sans-serif",
    view: { stroke: null },
    mark: { color: colour("--bar") },
    style: { interval: { color: colour("--interval"), stroke: colour("--interval") }, reference: { color: colour("--soft"), stroke: colour("--soft") } },
    axis: {
      labelColor: colour("--ink"), titleColor: colour("--soft"), gridColor: colour("--line"), domainColor: colour("--line"),
      tickColor: colour("--line"), labelFontSize: 12, titleFontSize: 12, titleFontWeight: 500, labelLimit: Math.min(190, width * 0.34),
    },
    range: { category: [colour("--a"), colour("--b"), colour("--c")] },
    legend: { labelColor: colour("--ink"), labelFontSize: 12, symbolStrokeWidth: 3 },
    axisX: { tickCount: Math.max(3, Math.min(8, Math.round(width / 90))) },
  };
  return { ...spec, $schema: "https://vega.github.io/schema/vega-lite/v6.json", width, autosize: { type: "fit", contains: "padding" }, config };
}

async function draw(figure) {
  const place = figure.querySelector("div");
  const spec = JSON.parse(document.getElementById(figure.dataset.chart).textContent);
  const compiled = vegaLite.compile(themed(spec, Math.floor(figure.clientWidth))).spec;
  const runtime = vega.parse(compiled, null, { ast: true });
  const view = new vega.View(runtime, { expr: vega.expressionInterpreter, renderer: "svg", hover: false, logLevel: vega.Error });
  // the library's own drawing sets styles on elements; text alternatives and focus are the figure's
  const markup = await view.toSVG();
  view.finalize();
  const drawing = new DOMParser().parseFromString(markup, "image/svg+xml").documentElement;
  for (const each of [drawing, ...drawing.querySelectorAll("[style]")]) each.removeAttribute("style");
  drawing.setAttribute("aria-hidden", "true");
  place.replaceChildren(document.importNode(drawing, true));
  figure.dataset.drawn = "yes";
}

function drawAll() {
  if (typeof vegaLite === "undefined") return;
  for (const figure of document.querySelectorAll("figure[data-chart]")) draw(figure);
}

// ---- theme ----
function dark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

document.getElementById("theme")?.addEventListener("click", () => {
  const theme = dark() ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  document.cookie = `theme=${theme}; path=/; max-age=31536000; samesite=strict`;
  drawAll();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
let resized;
let width = innerWidth;
addEventListener("resize", () => {
  if (innerWidth === width) return;
  width = innerWidth;
  clearTimeout(resized);
  resized = setTimeout(drawAll, 150);
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
document.addEventListener("submit", (event) => {
  const question = event.target.dataset?.confirm;
  if (question && !confirm(question)) event.preventDefault();
});
document.addEventListener("click", async (event) => {
  const text = event.target.dataset?.copy;
  if (!text) return;
  await navigator.clipboard.writeText(text);
  event.target.textContent = "Copied";
});
document.addEventListener("htmx:configRequest", (event) => {
  event.detail.headers["X-CSRF-Token"] = token;
});

document.addEventListener("htmx:afterSwap", (event) => localise(event.detail.target));

// ---- uploads ----
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
  };
  input.addEventListener("change", choose);
  for (const kind of ["dragenter", "dragover"]) drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
  for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    input.files = event.dataTransfer.files;
    choose();
  });
  upload.addEventListener("submit", async (event) => {
    event.preventDefault();
    refuse("");
    if (!input.files[0] && upload.dataset.optional === undefined) return refuse("Choose a file first.");
    const button = upload.querySelector("button");
    button.disabled = true;
    document.getElementById("sending").hidden = false;
    try {
      const answer = upload.dataset.content ? { content: upload.dataset.content, page: location.pathname } : await create(upload);
      if (!input.files[0]) return location.assign(answer.page);
      try {
        await send(answer.content + declared(upload), input.files[0], upload.querySelector("progress"), say);
      } catch (error) {
        // a draft whose file was refused is of no use: the next try makes a new one
        if (answer.content.startsWith("/datasets/") && !upload.dataset.content) await fetch(`${answer.page}/delete`, { method: "POST", headers: { "X-CSRF-Token": token, Accept: "application/json" } });
        throw error;
      }
      location.assign(answer.page);
    } catch (error) {
      refuse(error.message);
      document.getElementById("sending").hidden = true;
      button.disabled = false;
    }
  });
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

function send(path, file, bar, say) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", path);
    request.setRequestHeader("X-CSRF-Token", token);
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.addEventListener("progress", (event) => {
      bar.value = event.total ? event.loaded / event.total : 0;
      say(event.loaded < event.total ? `${Math.round(100 * bar.value)} % sent` : "sent; being read and checked");
    });
    request.addEventListener("load", () => {
      if (request.status < 300) return resolve();
      let detail = "The upload failed.";
      try { detail = JSON.parse(request.responseText).detail ?? detail; } catch { /* not JSON: keep the sentence */ }
      reject(new Error(detail));
    });
    request.addEventListener("error", () => reject(new Error("The connection broke; nothing was stored. Send it again.")));
    request.send(file);
  });
}

localise(document);
drawAll();
