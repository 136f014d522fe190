// The columns that a chosen file's header names, read in the browser before anything is sent: of text tables, JSON
// Lines, Excel workbooks and Parquet. Only the few bytes that hold names are read, however large the file is.
"use strict";

const TEXT_BYTES = 65536;
// of a workbook's parts, what is unpacked at most to find its first row and the words in it
const UNPACKED_CHARS = 8_000_000;

async function columnsOf(file, sheet = "") {
  const kind = file.name.toLowerCase().split(".").pop();
  if (["csv", "tsv", "tab", "txt"].includes(kind)) return ofText(await firstLine(file));
  if (["jsonl", "ndjson"].includes(kind)) return Object.keys(JSON.parse(await firstLine(file)));
  if (kind === "xlsx") return ofWorkbook(file, sheet);
  if (kind === "parquet") return ofParquet(file);
  return [];
}

async function firstLine(file) {
  return (await file.slice(0, TEXT_BYTES).text()).replace(/^\uFEFF/, "").split(/\r?\n/, 1)[0];
}

function ofText(line) {
  const by = [",", ";", "\t", "|"].reduce((best, each) => (line.split(each).length > line.split(best).length ? each : best));
  return line.split(by).map((name) => name.trim().replace(/^"(.*)"$/, "$1").replaceAll('""', '"'));
}

// ---- workbooks: a ZIP of XML ----
async function ofWorkbook(file, wanted) {
  const parts = await entries(file);
  const book = parsed(await unpacked(file, parts.get("xl/workbook.xml")));
  const sheets = [...book.getElementsByTagNameNS("*", "sheet")];
  const sheet = sheets.find((each) => each.getAttribute("name") === wanted) ?? sheets[0];
  const id = [...sheet.attributes].find((each) => each.localName === "id" && each.prefix)?.value;
  const links = parsed(await unpacked(file, parts.get("xl/_rels/workbook.xml.rels")));
  const link = [...links.getElementsByTagNameNS("*", "Relationship")].find((each) => each.getAttribute("Id") === id);
  const path = link.getAttribute("Target").replace(/^\/?(xl\/)?/, "xl/");
  // a row without cells is <row …/>, and names nothing
  const row = /<(?:\w+:)?row\b(?:[^>/]|\/(?!>))*>[\s\S]*?<\/(?:\w+:)?row>/;
  const text = await unpacked(file, parts.get(path), (all) => row.test(all));
  const found = row.exec(text);
  if (!found) return [];
  const cells = [...loose(found[0]).querySelectorAll("c")];
  const most = Math.max(-1, ...cells.filter((cell) => cell.getAttribute("t") === "s").map((cell) => Number(written(cell))));
  const words = most < 0 ? [] : await shared(file, parts.get("xl/sharedStrings.xml"), most);
  return cells.map((cell) => (cell.getAttribute("t") === "s" ? words[Number(written(cell))] ?? "" : written(cell)));
}

// the words of a workbook up to a number; they are stored once for all sheets
async function shared(file, entry, most) {
  const ends = /<\/(?:\w+:)?si>|<(?:\w+:)?si\s*\/>/g;
  const text = await unpacked(file, entry, (all) => (all.match(ends) ?? []).length > most);
  const words = text.match(/<(?:\w+:)?si\s*\/>|<(?:\w+:)?si\b[^>]*>[\s\S]*?<\/(?:\w+:)?si>/g) ?? [];
  return words.map((each) => [...loose(each).querySelectorAll("t")].filter((t) => !t.closest("rPh")).map((t) => t.textContent).join(""));
}

const written = (cell) => [...cell.querySelectorAll("v, t")].map((each) => each.textContent).join("");
const parsed = (text) => new DOMParser().parseFromString(text, "application/xml");
// a piece of a document, whose prefixes are declared elsewhere
const loose = (text) => parsed(text.replace(/<(\/?)\w+:/g, "<$1").replace(/\s[\w]+:[\w]+="[^"]*"/g, ""));

// what a ZIP holds, by name: where each part begins, how long it is packed, and how
async function entries(file) {
  const tail = new DataView(await file.slice(Math.max(0, file.size - 65557)).arrayBuffer());
  let end = tail.byteLength - 22;
  while (end >= 0 && tail.getUint32(end, true) !== 0x06054b50) end -= 1;
  if (end < 0) throw new Error("no ZIP");
  const start = tail.getUint32(end + 16, true);
  const list = new DataView(await file.slice(start, start + tail.getUint32(end + 12, true)).arrayBuffer());
  const names = new Map();
  for (let at = 0; at + 46 <= list.byteLength && list.getUint32(at, true) === 0x02014b50;) {
    const [name, extra, comment] = [28, 30, 32].map((offset) => list.getUint16(at + offset, true));
    const text = new TextDecoder().decode(new Uint8Array(list.buffer, at + 46, name));
    names.set(text, { packed: list.getUint16(at + 10, true) === 8, size: list.getUint32(at + 20, true), from: list.getUint32(at + 42, true) });
    at += 46 + name + extra + comment;
  }
  return names;
}

// a part's text, as far as ``enough`` says that it is needed
async function unpacked(file, entry, enough = () => false) {
  if (!entry) throw new Error("a part is missing");
  const head = new DataView(await file.slice(entry.from, entry.from + 30).arrayBuffer());
  const from = entry.from + 30 + head.getUint16(26, true) + head.getUint16(28, true);
  let stream = file.slice(from, from + entry.size).stream();
  if (entry.packed) stream = stream.pipeThrough(new DecompressionStream("deflate-raw"));
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text;
    text += value;
    if (enough(text) || text.length > UNPACKED_CHARS) {
      reader.cancel().catch(() => null);
      return text;
    }
  }
}

// ---- Parquet: its footer is Thrift in the compact protocol, and its second field is the schema ----
async function ofParquet(file) {
  const last = new DataView(await file.slice(file.size - 8).arrayBuffer());
  if (last.getUint32(4, true) !== 0x31524150) throw new Error("no Parquet");
  const length = last.getUint32(0, true);
  const schema = thrift(new Uint8Array(await file.slice(file.size - 8 - length, file.size - 8).arrayBuffer()));
  const names = [];
  // the root, then each column with all that is in it
  const after = (at) => {
    let next = at + 1;
    for (let child = 0; child < (schema[at][5] ?? 0); child += 1) next = after(next);
    return next;
  };
  for (let at = 1; at < schema.length; at = after(at)) names.push(schema[at][4]);
  return names;
}

// the schema's elements, each as {4: name, 5: number of children}
function thrift(bytes) {
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at];
      if (byte === undefined) throw new Error("the footer ends too soon");
      at += 1;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  const signed = () => { const value = varint(); return value % 2 ? -(value + 1) / 2 : value / 2; };
  const read = (type) => {
    if (type === 1 || type === 2) return type === 1;
    if (type === 3) return bytes[at++];
    if (type >= 4 && type <= 6) return signed();
    if (type === 7) { at += 8; return null; }
    if (type === 8) { const size = varint(); at += size; return new TextDecoder().decode(bytes.subarray(at - size, at)); }
    if (type === 9 || type === 10) {
      const head = bytes[at++];
      const count = head >> 4 === 15 ? varint() : head >> 4;
      return Array.from({ length: Math.min(count, bytes.length) }, () => (head & 15) <= 2 ? bytes[at++] === 1 : read(head & 15));
    }
    if (type === 12) return struct();
    throw new Error(`nothing is known of Thrift's type ${type}`);
  };
  const struct = (only = 0) => {
    const fields = {};
    for (let id = 0; ;) {
      const head = bytes[at++];
      if (!head) return fields;
      id = head >> 4 ? id + (head >> 4) : signed();
      fields[id] = read(head & 15);
      if (id === only) return fields;
    }
  };
  return struct(2)[2];
}
