// The page /verify: it fetches the verifier and the trust material, hands the
// reader's files to a worker that can ask no address, and shows what it
// answered. Markup comes from templates of the page, drawn by the same parts as
// other reports; values are set as text only.

const desk = document.getElementById("desk");
const state = document.getElementById("state");
const alarm = document.getElementById("alarm");
const result = document.getElementById("result");
const stop = document.getElementById("stop");
const said = desk && JSON.parse(desk.dataset.said);
const lang = document.documentElement.lang;

const say = (key, values = {}) => said[key].replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
const moment = (text) => new Date(text).toLocaleString(lang === "uk" ? "uk-UA" : "en-GB", { timeZone: "Europe/Kyiv" });

// cloned is a template with its {names} filled, each once: a value that looks
// like a name stays what it is. Elements whose only text is empty go.
function cloned(id, values = {}) {
  const part = document.getElementById(id).content.cloneNode(true);
  const walker = document.createTreeWalker(part, NodeFilter.SHOW_TEXT);
  const gone = [];
  while (walker.nextNode()) {
    const text = walker.currentNode;
    const filled = text.data.replace(/\{(\w+)\}/g, (all, name) => values[name] ?? "");
    if (filled === text.data) continue;
    if (filled.trim() === "" && text.parentElement && text.parentElement.childNodes.length === 1) gone.push(text.parentElement);
    text.data = filled;
  }
  for (const element of gone) element.remove();
  return part;
}

function verdict(v, mark, word, more = "") {
  const part = cloned("t-verdict", { word: v.Word, term: v.Term, why: v.Why, advice: v.Advice, more });
  part.querySelector("[data-mark]").replaceWith(cloned("t-mark-" + mark, { word }));
  return part;
}

function tree(nodes, into) {
  for (const n of nodes || []) {
    const branch = n.nodes && n.nodes.length > 0;
    const part = cloned((branch ? "t-branch-" : "t-leaf-") + n.mark, n);
    if (branch) {
      const details = part.querySelector("details");
      details.open = n.open;
      const inner = part.querySelector(".branch");
      for (const dummy of inner.querySelectorAll(":scope > p:not(.quiet)")) dummy.remove();
      tree(n.nodes, inner);
    }
    into.append(part);
  }
}

const words = desk && JSON.parse(desk.dataset.words);
const markOf = { "TOTAL-PASSED": "good", "TOTAL-FAILED": "bad", "INDETERMINATE": "unknown" };

function show(a) {
  const more = a.offline ? say("verify.offline") : a.needs ? say("verify.needs") : "";
  document.getElementById("verdict").replaceChildren(verdict(a.protocol.Verdict, a.mark, words["verdict." + a.mark], more));
  const record = document.getElementById("record");
  record.replaceChildren();
  for (const s of a.protocol.Sections) {
    const part = cloned("t-section", { heading: s.Heading });
    const list = part.querySelector("dl");
    for (const r of s.Rows || []) list.append(cloned(r.Code ? "t-code" : "t-row", { label: r.Label, value: r.Value }));
    const place = part.querySelector("[data-verdict]");
    const mark = s.Verdict && (markOf[s.Verdict.Indication] || "none");
    if (s.Verdict && a.protocol.Sections.length > 3) place.replaceWith(verdict(s.Verdict, mark, words["verdict." + mark]));
    else place.remove();
    record.append(part);
  }
  const questions = document.getElementById("tree");
  questions.replaceChildren();
  tree(a.tree, questions);
  save("save-pdf", a.pdf, "application/pdf", "mist-protocol.pdf");
  save("save-etsi", a.etsi, "application/xml", "mist-report-etsi.xml");
  result.hidden = false;
  result.dataset.milliseconds = a.milliseconds;
  state.textContent = say("verify.done", { verdict: a.protocol.Verdict.Word + " " + a.protocol.Verdict.Term, seconds: (a.milliseconds / 1000).toFixed(1) });
  result.focus();
}

// save gives bytes to the reader as a file; the button is away where there are none.
function save(id, bytes, type, name) {
  const button = document.getElementById(id);
  button.hidden = !bytes || bytes.length === 0;
  button.onclick = () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([bytes], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  };
}

function warn(text) {
  alarm.textContent = text;
  alarm.hidden = text === "";
}

// remembered tells when the log's key is another than at the last visit.
function remembered(key) {
  try {
    const before = localStorage.getItem("mist-verify-key");
    if (before === null) localStorage.setItem("mist-verify-key", key);
    return before === null || before === key;
  } catch {
    return true; // nothing can be kept here
  }
}

let worker, asked, code, material, busy;

const policy = desk && (window.trustedTypes
  ? trustedTypes.createPolicy(desk.dataset.policy, { createScriptURL: (url) => { if (url !== desk.dataset.worker) throw new TypeError("not the worker"); return url; } })
  : { createScriptURL: (url) => url });

// ask gives the worker a task and waits for its answer.
function ask(task, transfer = []) {
  return new Promise((resolve, reject) => {
    asked = (asked || 0) + 1;
    const id = asked;
    const hear = ({ data }) => {
      if (data.id !== id) return;
      worker.removeEventListener("message", hear);
      if (data.error) reject(Object.assign(new Error(data.error), { kind: data.kind }));
      else resolve(data.answer);
    };
    worker.addEventListener("message", hear);
    worker.addEventListener("error", () => reject(new Error("worker")), { once: true });
    worker.postMessage({ id, ...task }, transfer);
  });
}

// start makes a worker; code and material were fetched once and are kept for
// the next one, so that nothing is fetched after a file was chosen.
async function start() {
  worker = new Worker(policy.createScriptURL(desk.dataset.worker));
  const own = code.slice(0);
  return ask({ op: "open", code: own, material: material.slice(0), key: desk.dataset.key }, [own]);
}

async function fetched(path) {
  const answer = await fetch(path, { credentials: "omit", cache: "default" });
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.arrayBuffer();
}

async function prepare() {
  [code, material] = await Promise.all([fetched(desk.dataset.code), fetched(desk.dataset.material)]);
  const s = await start();
  const hours = (Date.now() - new Date(s.signed)) / 3600000;
  let text = say("verify.ready", { when: moment(s.signed), anchors: s.anchors });
  text += " " + (s.revocations ? say("verify.revocations", { when: moment(s.revocations) }) : say("verify.slow"));
  if (hours > 24 || hours < -1) text += " " + say("verify.stale");
  state.textContent = text;
  desk.dataset.ready = "yes";
  if (!remembered(desk.dataset.key)) warn(say("verify.key.changed"));
}

const prepared = desk ? prepare() : Promise.resolve();
prepared.catch((e) => { state.textContent = ""; warn(say("verify.refused", { why: e.message })); });

async function run(files) {
  warn("");
  result.hidden = true;
  const large = files.find((f) => f.size > desk.dataset.limit * 1048576);
  if (files.length === 0) return warn(say("verify.none"));
  if (large) return warn(say("verify.large", { size: desk.dataset.limit }));
  try {
    await prepared;
  } catch {
    return; // said already
  }
  state.textContent = say("verify.working");
  stop.hidden = false;
  busy = true;
  try {
    show(await ask({ op: "verify", lang, words: desk.dataset.words, files: files.map((f) => f) }));
  } catch (e) {
    state.textContent = "";
    if (e.kind !== "stopped") warn(say(e.kind === "unreadable" ? "verify.unreadable" : "verify.failed", { why: e.message }));
  }
  stop.hidden = true;
  busy = false;
}

desk?.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!busy) run([...document.getElementById("signed").files, ...document.getElementById("content").files]);
});

// Stopping ends the worker, whatever it is at, and makes another.
stop?.addEventListener("click", async () => {
  worker.terminate();
  stop.hidden = true;
  busy = false;
  await start();
  state.textContent = "";
  document.getElementById("signed").focus();
});

for (const kind of ["dragover", "drop"]) {
  desk?.addEventListener(kind, (event) => {
    event.preventDefault();
    if (kind === "drop" && !busy) run([...event.dataTransfer.files].slice(0, 2));
  });
}
