// Checks in the reader's browser what this page claims: that an entry stands in
// the tree of a signed checkpoint (RFC 9162, 2.1.3.2), that a checkpoint
// continues an earlier one (2.1.4.2), and who signed it (C2SP signed-note,
// tlog-cosignature). It reads nothing but the text of the page and fetches
// nothing, so it works with the network cut. Text is set as text only.

const encoder = new TextEncoder();
const bytes = (text) => encoder.encode(text);
const fromBase64 = (text) => Uint8Array.from(atob(text.trim()), (c) => c.charCodeAt(0));
const toBase64 = (b) => btoa(String.fromCharCode(...b));
const same = (a, b) => a.length === b.length && a.every((x, i) => x === b[i]);
const join = (...parts) => {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) { out.set(p, at); at += p.length; }
  return out;
};
const sha256 = async (...parts) => new Uint8Array(await crypto.subtle.digest("SHA-256", join(...parts)));
const leafHash = (entry) => sha256([0], entry);
const nodeHash = (left, right) => sha256([1], left, right);

async function inclusion(index, size, leaf, path) {
  let fn = BigInt(index), sn = BigInt(size) - 1n, r = leaf;
  if (fn > sn) return null;
  for (const p of path) {
    if (sn === 0n) return null;
    if (fn & 1n || fn === sn) {
      r = await nodeHash(p, r);
      while (!(fn & 1n) && fn !== 0n) { fn >>= 1n; sn >>= 1n; }
    } else {
      r = await nodeHash(r, p);
    }
    fn >>= 1n; sn >>= 1n;
  }
  return sn === 0n ? r : null;
}

async function consistency(first, second, oldRoot, newRoot, path) {
  if (first === second) return path.length === 0 && same(oldRoot, newRoot);
  let fn = BigInt(first) - 1n, sn = BigInt(second) - 1n;
  if (fn < 0n || fn >= sn) return false;
  const list = (BigInt(first) & fn) === 0n ? [oldRoot, ...path] : path;
  if (list.length === 0) return false;
  while (fn & 1n) { fn >>= 1n; sn >>= 1n; }
  let fr = list[0], sr = list[0];
  for (const c of list.slice(1)) {
    if (sn === 0n) return false;
    if (fn & 1n || fn === sn) {
      fr = await nodeHash(c, fr);
      sr = await nodeHash(c, sr);
      while (!(fn & 1n) && fn !== 0n) { fn >>= 1n; sn >>= 1n; }
    } else {
      sr = await nodeHash(sr, c);
    }
    fn >>= 1n; sn >>= 1n;
  }
  return sn === 0n && same(fr, oldRoot) && same(sr, newRoot);
}

// A note is a text, an empty line and lines "— name base64".
function readNote(note) {
  const end = note.indexOf("\n\n");
  const text = note.slice(0, end + 1);
  const [origin, size, root] = text.split("\n");
  const signatures = note.slice(end + 2).split("\n").filter((l) => l.startsWith("— ")).map((l) => {
    const [, name, value] = l.split(" ");
    return { name, value: fromBase64(value) };
  });
  return { text, origin, size: Number(size), root: fromBase64(root), signatures };
}

// A key is name+hash+base64(algorithm ‖ 32 bytes).
async function readKey(text) {
  const [name, id, ...rest] = text.trim().split("+");
  const raw = fromBase64(rest.join("+"));
  const key = await crypto.subtle.importKey("raw", raw.slice(1), { name: "Ed25519" }, false, ["verify"]);
  return { name, id: Uint8Array.from(id.match(/../g), (h) => parseInt(h, 16)), key };
}

const verify = (key, signature, text) => crypto.subtle.verify({ name: "Ed25519" }, key.key, signature, bytes(text));
const signatureOf = (note, key) => note.signatures.find((s) => s.name === key.name && same(s.value.slice(0, 4), key.id))?.value.slice(4);

async function signedByLog(note, text) {
  const key = await readKey(text);
  const signature = signatureOf(note, key);
  return note.origin === key.name && signature?.length === 64 && verify(key, signature, note.text);
}

// cosigned is null where the witness's signature is not there: a quorum may do without.
async function cosigned(note, text) {
  const key = await readKey(text);
  const signature = signatureOf(note, key);
  if (signature === undefined) return null;
  if (signature.length !== 72) return false;
  const time = signature.slice(0, 8).reduce((n, b) => n * 256n + BigInt(b), 0n);
  return verify(key, signature.slice(8), `cosignature/v1\ntime ${time}\n${note.text}`);
}

// --- the page ---
const page = document.getElementById("proof");
const content = (id) => document.getElementById(id).textContent;
const path = () => [...page.querySelectorAll("[data-hash]")].map((e) => fromBase64(e.textContent));

function show(step, good, value) {
  const row = page.querySelector(`[data-step="${step}"]`);
  if (!row) return;
  const mark = row.querySelector(".mark");
  const shape = document.createElement("span");
  shape.setAttribute("aria-hidden", "true");
  shape.textContent = good ? "✔" : "✖";
  mark.className = `mark ${good ? "good" : "bad"}`;
  mark.replaceChildren(shape, ` ${good ? page.dataset.good : page.dataset.bad}`);
  const place = row.querySelector("code");
  if (place && value) place.textContent = value;
}

// The last checkpoint this browser has proven. Storage may be shut off.
const remembered = "mist_checkpoint";
const recall = () => { try { return JSON.parse(localStorage.getItem(remembered)); } catch { return null; } };
const remember = (note) => { try { localStorage.setItem(remembered, JSON.stringify({ size: note.size, root: toBase64(note.root), note: content("note") })); } catch { /* nothing is kept */ } };

async function check() {
  let all = true;
  const step = async (name, f) => {
    let good = false, value = "";
    try { [good, value] = [].concat(await f()); } catch { good = false; }
    show(name, good, value);
    all = all && good;
  };
  let note;
  await step("note", () => { note = readNote(content("note")); return note.size >= 0 && note.root.length === 32; });
  if (page.dataset.kind === "inclusion") {
    let leaf, root;
    await step("leaf", async () => { leaf = await leafHash(bytes(content("entry"))); return [true, toBase64(leaf)]; });
    await step("path", async () => { root = await inclusion(page.dataset.index, note.size, leaf, path()); return [root !== null, root ? toBase64(root) : ""]; });
    await step("root", () => same(root, note.root));
  } else {
    let old;
    await step("old", async () => { old = readNote(content("old")); return signedByLog(old, content("key")); });
    const mine = recall();
    if (page.querySelector('[data-step="remembered"]') && mine?.size === old?.size) {
      await step("remembered", () => mine.root === toBase64(old.root));
    }
    await step("path", () => consistency(old.size, note.size, old.root, note.root, path()));
  }
  await step("log", () => signedByLog(note, content("key")));
  let witnesses = 0;
  for (const [i, key] of [...page.querySelectorAll("[data-witness]")].entries()) {
    let answer = false;
    try { answer = await cosigned(note, key.textContent); } catch { /* an unreadable key or line is a false one */ }
    if (answer === null) continue;
    await step(`witness-${i}`, () => answer);
    if (answer) witnesses++;
  }
  await step("quorum", () => [witnesses >= Number(page.dataset.quorum), `${witnesses} / ${page.dataset.quorum}`]);
  const result = document.getElementById("result");
  result.textContent = all ? page.dataset.proven : page.dataset.disproven;
  result.className = "verdict";
  if (all) remember(note);
}

if (page) {
  const button = document.getElementById("check");
  if (globalThis.crypto?.subtle) {
    button.hidden = false;
    button.addEventListener("click", check);
  } else {
    document.getElementById("absent").hidden = false;
  }
}

// The consistency page offers the checkpoint of the reader's last check.
const since = document.getElementById("since");
if (since) {
  const mine = recall();
  if (mine) {
    since.querySelector("a").href += mine.note ? `?checkpoint=${encodeURIComponent(mine.note)}` : `?from=${mine.size}`;
    since.hidden = false;
  }
}
