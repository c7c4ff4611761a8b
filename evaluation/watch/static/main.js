// The flow: one episode at a time, one request of it at a time. In every state the student is asked what it would
// do; a step carries that out, a button does something else.

import * as api from "./api.js";
import { listenForKeys } from "./keys.js";
import { listenForPictures } from "./picture.js";
import { $, element, sentence, show } from "./show.js";

const PAUSES_MS = [2400, 1200, 600, 250, 0];
const SPEEDS = ["very slow", "slow", "normal", "fast", "as fast as it goes"];
let suites = [], maxIndex = 0, temperature = 0, scene = null, busy = false, missed = false, playing = false, plays = 0, quietUntil = 0;

const rest = ms => new Promise(done => setTimeout(done, ms));

function say(text) { $("said").textContent = text; }

function settle() {
  const over = !scene || scene.over, acted = $("stage").contains(document.activeElement);
  $("step").hidden = Boolean(scene && scene.over);
  $("next").hidden = !$("step").hidden;
  $("step").disabled = over;
  $("play").disabled = over;
  if (over) setPlaying(false);
  document.querySelectorAll("#actions button").forEach(button => { button.disabled = over; });
  if (acted && !$("next").hidden) $("next").focus(); // what had the focus is gone
}

function setPlaying(on) {
  playing = on;
  $("play").setAttribute("aria-pressed", String(on));
  $("play").textContent = on ? "Pause" : "Play";
}

function complain(refusal, again) {
  const box = $("problem");
  box.hidden = false;
  box.replaceChildren(refusal.message);
  $("key-form").hidden = refusal.status !== 401;
  if (!again) return;
  const button = element("button", "", "Try again");
  button.type = "button";
  button.addEventListener("click", again);
  box.append(button);
}

// One request at a time: what is asked meanwhile is dropped, not queued (it was meant for what was seen then), and
// said to be.
async function alone(work, again) {
  if (busy) {
    missed = true;
    return false;
  }
  busy = true;
  document.body.setAttribute("aria-busy", "true");
  try {
    await work();
    $("problem").hidden = true;
    return true;
  } catch (refusal) {
    if (!(refusal instanceof api.Refusal)) throw refusal;
    if (refusal.waitS) {
      say(`${refusal.message}: trying again in ${refusal.waitS} s.`);
      quietUntil = Date.now() + 1000 * refusal.waitS;
      if (!playing) setTimeout(again, 1000 * refusal.waitS);
      return false;
    }
    setPlaying(false);
    if (refusal.status === 404 || refusal.status === 410) scene = null;
    complain(refusal, again);
    return false;
  } finally {
    busy = false;
    document.body.removeAttribute("aria-busy");
    if (missed) say(`${$("said").textContent} What was pressed meanwhile was not taken.`);
    missed = false;
    settle();
  }
}

async function arrive(next) {
  scene = next;
  await show(scene, temperature, act);
  settle();
}

async function think() {
  if (scene && !scene.over && !scene.decision) await arrive(await api.ask(scene.id));
}

async function step(action = null) {
  if (!scene || scene.over) return false;
  return alone(async () => {
    await arrive(await api.step(scene.id, scene.decisions, action));
    say(sentence(scene));
    await think();
  }, scene.decision || action ? reload : () => step());
}

// After a failed step the page may have missed what came of it.
async function reload() {
  if (!scene) return begin();
  return alone(async () => { await arrive(await api.scene(scene.id)); await think(); }, reload);
}

function act(action) {
  setPlaying(false);
  return step(action);
}

async function play() {
  if (playing) return setPlaying(false);
  if (!scene || scene.over) return undefined;
  setPlaying(true);
  const own = ++plays; // Pause and Play within one rest: the loop that rested must not go on beside the new one
  while (playing && own === plays && scene && !scene.over) {
    await rest(PAUSES_MS[$("speed").value]);
    if (!playing || own !== plays) break;
    if (busy || !(await step())) await rest(Math.max(200, quietUntil - Date.now()));
  }
  return own === plays ? setPlaying(false) : undefined;
}

function chosen() {
  return {
    suite: $("suite").value, split: $("split").value, index: Number($("index").value),
    difficulty: Number($("level").value), teacher: $("teacher").checked,
  };
}

async function begin() {
  setPlaying(false);
  while (busy) await rest(50); // a step may be under way
  const wanted = chosen(), before = scene;
  $("begin").textContent = $("making").textContent = "Making the world …";
  $("begin").disabled = true;
  await alone(async () => {
    const next = await api.open(wanted);
    if (before) api.close(before.id).catch(() => {});
    history.replaceState(null, "", `#${wanted.suite}/${wanted.split}/${wanted.difficulty}/${wanted.index}`);
    await arrive(next);
    say(sentence(scene));
    await think();
  }, () => (scene && scene !== before ? reload() : begin()));
  $("begin").textContent = "Begin episode";
  $("begin").disabled = false;
}

function showLevels() {
  const levels = (suites.find(suite => suite.name === $("suite").value) || { difficulties: [] }).difficulties;
  const names = { 1: "1, easy", 2: "2, middling", 3: "3, hard" };
  const before = $("level").value || "2";
  $("level").replaceChildren(...levels.map(level => new Option(names[level] || level, level)));
  if (levels.includes(Number(before))) $("level").value = before;
  $("level-field").hidden = levels.length < 2;
}

function nextWorld() {
  $("index").value = (Number($("index").value) + 1) % maxIndex;
  return begin();
}

function faster(by) {
  $("speed").value = Number($("speed").value) + by;
  tellSpeed();
}

function tellSpeed() {
  $("speed").setAttribute("aria-valuetext", SPEEDS[$("speed").value]);
  $("pace").value = SPEEDS[$("speed").value];
}

async function lookForStudent() {
  const badge = $("student");
  try {
    const { model, version } = await api.student();
    badge.className = "badge there";
    badge.textContent = `${model}, version ${version.slice(0, 8)}`;
  } catch (refusal) {
    badge.className = "badge away";
    badge.textContent = "no student";
    complain(refusal, setUp);
  }
}

function readLink() {
  const [, suite, split, level, index] = decodeURIComponent(location.hash).match(/^#(.+)\/(\w+)\/(\d)\/(\d+)$/) || [];
  if (!suites.some(known => known.name === suite)) return false;
  $("suite").value = suite;
  showLevels();
  $("split").value = split;
  $("level").value = level;
  $("index").value = index;
  return true;
}

async function setUp() {
  $("problem").hidden = true;
  $("key-form").hidden = true;
  try {
    const catalogue = await api.catalogue();
    suites = catalogue.suites;
    maxIndex = catalogue.max_index;
    temperature = catalogue.temperature;
    $("index").max = maxIndex - 1;
    $("teacher").checked = $("teacher").checked && catalogue.teacher;
    $("teacher-field").hidden = !catalogue.teacher;
    const groups = { voxel: "Voxel world", babyai: "BabyAI" };
    $("suite").replaceChildren(...Object.entries(groups).map(([world, label]) => {
      const group = document.createElement("optgroup");
      group.label = label;
      group.append(...suites.filter(s => s.name.startsWith(`${world}/`)).map(s => new Option(s.name.split("/")[1].replaceAll("_", " "), s.name)));
      return group;
    }));
    showLevels();
  } catch (refusal) {
    return complain(refusal, setUp);
  }
  await lookForStudent();
  return readLink() ? begin() : undefined;
}

$("suite").addEventListener("change", showLevels);
$("setup").addEventListener("submit", event => { event.preventDefault(); begin(); });
$("dice").addEventListener("click", () => { $("index").value = Math.floor(Math.random() * 10000); });
$("step").addEventListener("click", () => step());
$("next").addEventListener("click", nextWorld);
$("play").addEventListener("click", play);
$("speed").addEventListener("input", tellSpeed);
$("key-form").addEventListener("submit", event => { event.preventDefault(); api.useKey($("key").value); setUp(); });
addEventListener("hashchange", () => { if (readLink()) begin(); }); // a link put into the address of an open page
addEventListener("pagehide", () => { if (scene) api.close(scene.id).catch(() => {}); });
addEventListener("pageshow", event => { if (event.persisted && scene) begin(); });
listenForPictures(() => $("suite").value);
listenForKeys({
  s: () => step(), p: play, "+": () => faster(1), "-": () => faster(-1),
  n: nextWorld, r: begin,
  act: place => { if (scene && !scene.over && scene.actions[place]) act(scene.actions[place]); },
});
tellSpeed();
setUp();
