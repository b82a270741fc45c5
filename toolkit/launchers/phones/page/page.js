// The page on the phone: connects by the token, asks what there is to do, has the frame do it, and brings the answers back.
// A question stays with serve-device until its answer came, so a connection that drops costs nothing but time.

const STATE = document.getElementById("state");
const DETAIL = document.getElementById("detail");
const PROGRESS = document.getElementById("progress");
const FORM = document.getElementById("form");
const WAIT_MS = 40_000; // for what serve-device answers within 20 s
const LONG_MS = 600_000; // for a model or a batch, over a slow network
const PAUSE_MS = 1_000;
const MOST_FETCHES = 3; // of one body, while serve-device is there: then it is not the connection that is wrong
const STEPS = 20;

let page = null;
let frame = null; // of the job that runs
let kept = null; // the latest answer, until serve-device has it
let fetches = { nonce: null, count: 0 };

class Refused extends Error {
  constructor(status, why) {
    super(why);
    this.status = status;
  }
}

async function ask(path, body, limit = WAIT_MS) {
  const options = body === undefined ? {} : { method: "POST", body };
  const answer = await fetch(path, { ...options, signal: AbortSignal.timeout(limit) });
  const said = await answer.json();
  if (!answer.ok) throw new Refused(answer.status, said.error);
  return said;
}

function show(state, detail = "") {
  STATE.textContent = state;
  DETAIL.textContent = detail;
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function isInFront() {
  return document.visibilityState === "visible";
}

// Times of a page that is not in front are not those of one that is: so nothing is run there.
async function inFront() {
  while (!isInFront()) await new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
}

// The steps of the clock, in ms: browsers make it coarse, each in its own way (https://www.w3.org/TR/hr-time-3/#clock-resolution).
function clockStep() {
  let least = Infinity;
  for (let step = 0; step < STEPS; step += 1) {
    const began = performance.now();
    let now = began;
    while (now === began) now = performance.now();
    least = Math.min(least, now - began);
  }
  return Number(least.toPrecision(2));
}

async function about() {
  const agent = navigator.userAgentData;
  const more = await agent?.getHighEntropyValues?.(["model", "platformVersion", "architecture"]).catch(() => ({})) ?? {};
  return {
    browser: navigator.userAgent,
    model: more.model ?? "",
    system: [agent?.platform, more.platformVersion].filter(Boolean).join(" "),
    platform: navigator.platform ?? "",
    cores: navigator.hardwareConcurrency ?? "",
    memory_gb: navigator.deviceMemory ?? "",
    secure: isSecureContext,
    isolated: globalThis.crossOriginIsolated === true,
    clock_step_ms: clockStep(),
  };
}

async function connect(token) {
  show("connecting");
  const opened = await ask("/open", JSON.stringify({ token, about: await about() }));
  page = opened.page;
  history.replaceState(null, "", "/");
  FORM.hidden = true;
  navigator.wakeLock?.request("screen").catch(() => {});
  await work();
}

async function work() {
  show("connected", "waiting for a build");
  for (;;) {
    await inFront();
    try {
      const { question } = await ask(`/next?page=${page}`);
      if (question === null) idle();
      else await answer(question);
    } catch (error) {
      if (error instanceof Refused && error.status !== 409) throw error;
      if (!(error instanceof Refused)) show("the connection is lost", "trying again; nothing that was computed is lost");
      await pause(PAUSE_MS);
    }
  }
}

function idle() {
  if (kept === null || frame === null) show("connected", "waiting for a build");
  PROGRESS.hidden = true;
}

// Does what is asked, once, and hands the answer over; an error of the connection is thrown, and the same question comes again.
async function answer(question) {
  const { nonce } = question;
  if (kept?.nonce !== nonce) kept = { nonce, content: await make(question) };
  await ask(`/answers/${nonce}?page=${page}`, kept.content, LONG_MS);
  fetches = { nonce: null, count: 0 };
}

async function make(question) {
  const isLoad = question.do === "load";
  const done = question.done ?? 0;
  show(question.title, isLoad ? "getting the model" : `${done} of ${question.count}`);
  PROGRESS.hidden = isLoad;
  if (question.count) Object.assign(PROGRESS, { max: question.count, value: done });
  const body = await bodyOf(question);
  await inFront();
  await pause(0); // what is shown is drawn
  if (isLoad) frame = await newFrame(question.engine);
  return isLoad ? await frame.load(body, question) : await frame.call(body);
}

async function bodyOf({ nonce, integrity }) {
  try {
    const answer = await fetch(`/questions/${nonce}`, { integrity, signal: AbortSignal.timeout(LONG_MS) });
    if (!answer.ok) throw new Refused(answer.status, "the question is over");
    return await answer.arrayBuffer();
  } catch (error) {
    fetches = { nonce, count: fetches.nonce === nonce ? fetches.count + 1 : 1 };
    if (fetches.count >= MOST_FETCHES && frame) return frame.fail(`what was fetched is not what serve-device sent: ${error.message}`);
    throw error;
  }
}

// Each model has a frame of its own, with an engine that ran nothing before.
async function newFrame(engine) {
  document.querySelector("iframe")?.remove();
  const element = document.createElement("iframe");
  element.src = `/engines/${engine}/`;
  const loaded = new Promise((resolve) => element.addEventListener("load", resolve, { once: true }));
  document.body.append(element);
  await loaded;
  return await element.contentWindow.ready;
}

function tell(state) {
  if (page !== null) navigator.sendBeacon(`/state?page=${page}`, JSON.stringify({ state }));
}

document.addEventListener("visibilitychange", () => tell(document.visibilityState));
document.addEventListener("freeze", () => tell("frozen"));
document.addEventListener("resume", () => tell(document.visibilityState));
addEventListener("pagehide", () => tell("closed"));
addEventListener("pageshow", () => tell(document.visibilityState));

async function run(token) {
  try {
    await connect(token);
  } catch (error) {
    page = null;
    show("not connected", error.message);
    PROGRESS.hidden = true;
    FORM.hidden = false;
  }
}

FORM.addEventListener("submit", (event) => {
  event.preventDefault();
  run(document.getElementById("token").value);
});
run(decodeURIComponent(location.hash.slice(1)));
