// A scene on the page. Everything shown is a function of the scene; texts are set as text, never as HTML.

import { drawMap } from "./map.js";

const SHOWN = 8;
const MARKS = { agrees: "✓ agrees", "equally good": "≈ equally good", differs: "✗ differs" };
export const $ = id => document.getElementById(id);

export function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

const percent = share => (share > 0 && share < 0.005 ? "<1\u00a0%" : `${Math.round(100 * share)}\u00a0%`);

export function showBars(list, decision, opinion) {
  // All legal actions came, so their shares of one another say what a draw among them does.
  const legal = decision ? decision.alternatives.reduce((sum, a) => sum + Math.exp(a.logprob), 0) : 0;
  const all = decision ? decision.alternatives.map(a => ({ name: a.action, share: Math.exp(a.logprob) / legal })) : [];
  const shown = all.filter((a, i) => i < SHOWN || a.name === decision.action);
  const rows = shown.map(({ name, share }) => {
    const chosen = name === decision.action;
    const row = element("li", chosen ? "chosen" : "");
    const track = element("span", "track"), fill = element("span", "fill");
    track.setAttribute("aria-hidden", "true");
    fill.style.width = `${Math.max(1, 100 * share).toFixed(1)}%`;
    track.append(fill);
    const marks = [];
    if (opinion && opinion.valid && (opinion.action === name || opinion.equally_good.includes(name))) marks.push("teacher");
    row.append(element("span", "name", name), track, element("span", "share", percent(share)), element("span", "marks", marks.join(" ")));
    if (chosen) row.setAttribute("aria-current", "true");
    return row;
  });
  const rest = all.filter(a => !shown.some(s => s.name === a.name));
  if (rest.length) {
    const row = element("li", "plain soft");
    row.append(element("span", "name", `${rest.length} more`), element("span", "share", percent(rest.reduce((sum, a) => sum + a.share, 0))));
    rows.push(row);
  }
  list.classList.toggle("long", shown.some(({ name }) => name.length > 14));
  list.replaceChildren(...rows);
}

export const noteText = note => (note ? `notes “${note}”` : "writes no note");

function drawnText(decision, temperature) {
  const how = temperature ? `Drawn at temperature ${temperature}.` : "Always the likeliest.";
  return decision.legal_mass < 0.9 ? `${how} Of all it could say, ${percent(decision.legal_mass)} is legal here.` : how;
}

function showMinds(scene, temperature) {
  const { decision, opinion, agreement } = scene;
  $("choice").textContent = decision ? decision.action : scene.over ? "—" : "…";
  $("note").textContent = decision ? noteText(decision.note) : scene.over ? "the episode is over" : "";
  showBars($("alternatives"), decision, opinion);
  $("drawn").textContent = decision ? drawnText(decision, temperature) : "";
  $("teacher-card").hidden = !opinion;
  if (!opinion) return;
  const valid = opinion.valid;
  $("advice").textContent = valid ? opinion.action : "no advice";
  $("agreement").textContent = agreement ? MARKS[agreement] : "";
  $("agreement").className = `mark ${(agreement || "").replace(" ", "-")}`;
  const others = opinion.equally_good.filter(name => name !== opinion.action);
  const equal = others.length ? `; as good: ${others.join(", ")}` : "";
  $("advice-note").textContent = valid ? (opinion.note ? `notes “${opinion.note}”` : "") + equal : opinion.reason;
  $("team").replaceChildren(...opinion.said.map(said => element("li", "", said)));
}

function showTurns(scene) {
  const taught = scene.turns.some(turn => turn.teacher) || scene.opinion;
  document.querySelectorAll(".taught").forEach(cell => { cell.hidden = !taught; });
  const rows = scene.turns.map((turn, i) => {
    const row = element("tr");
    const action = element("td", "", turn.action);
    if (turn.note) action.append(element("small", "", turn.note));
    row.append(element("td", "n", String(i + 1)), element("td", "", turn.by === "hand" ? "you" : "student"), action,
      element("td", turn.outcome === "ok" ? "" : "failed", turn.outcome));
    if (taught) {
      const told = element("td", "", turn.agreement ? MARKS[turn.agreement] : "");
      if (turn.agreement && turn.agreement !== "agrees") told.append(element("small", "", turn.teacher));
      row.append(told);
    }
    return row;
  });
  $("turns").replaceChildren(...rows.reverse());
  $("no-turns").hidden = rows.length > 0;
}

function showActions(scene, act) {
  const box = $("actions");
  const same = box.children.length === scene.actions.length && scene.actions.every((name, i) => box.children[i].dataset.action === name);
  if (!same) { // else the buttons stay, and with them the focus
    box.replaceChildren(...scene.actions.map((name, i) => {
      const button = element("button");
      button.type = "button";
      button.dataset.action = name;
      if (i < 9) {
        const key = element("kbd", "", String(i + 1));
        key.setAttribute("aria-hidden", "true");
        button.append(key);
      }
      button.append(name);
      button.addEventListener("click", () => act(name));
      return button;
    }));
  }
}

const loudness = value => (value >= 0.5 ? "loud" : value >= 0.2 ? "soft" : "faint");

export function show(scene, temperature, act) {
  $("welcome").hidden = true;
  $("stage").hidden = false;
  $("where").textContent = `${scene.suite}, ${scene.split} world ${scene.index}`;
  $("goal").textContent = scene.goal + (scene.goal_sound && !scene.goal.includes(scene.goal_sound) ? ` (${scene.goal_sound})` : "");
  $("goal-image").hidden = !scene.goal_image;
  if (scene.goal_image) $("goal-image").src = scene.goal_image;
  const partial = scene.metric > 0 && scene.metric < 1 ? `, ${percent(scene.metric)} of the task` : "";
  $("standing").textContent = scene.over
    ? `${scene.success ? "✓ Goal reached" : "✗ Goal not reached"} after ${scene.decisions} decisions${partial}`
    : `decision ${scene.decisions + 1} of ${scene.max_decisions}${partial}`;
  $("standing").parentElement.className = `standing ${scene.over ? (scene.success ? "won" : "lost") : ""}`;
  $("progress").max = scene.max_decisions;
  $("progress").value = scene.decisions;
  $("frame").src = scene.frame;
  $("frame").alt = `The student's view, facing ${scene.heading}`;
  $("facing").textContent = `${scene.heading}, ${Math.round(scene.heading_deg)}°`;
  $("position").textContent = scene.position.some(Boolean) ? scene.position.map(Math.round).join(", ") : "not told";
  $("hears").textContent = scene.sounds.map(s => `${s.name} ${s.where}, ${loudness(s.loudness)}`).join("; ") || "nothing";
  $("carries").textContent = Object.entries(scene.inventory).map(([name, count]) => `${count} ${name}`).join(", ") || "nothing";
  $("words-row").hidden = !scene.words;
  $("words").textContent = scene.words;
  showMinds(scene, temperature);
  showTurns(scene);
  showActions(scene, act);
  return drawMap($("above"), scene);
}

export function sentence(scene) {
  const last = scene.turns[scene.turns.length - 1];
  if (!last) return `Begun: ${scene.goal}.`;
  const who = last.by === "hand" ? "You" : "The student";
  const teacher = last.agreement ? ` The teacher ${last.agreement === "agrees" ? "agrees" : last.agreement === "differs" ? `would ${last.teacher}` : "finds it as good"}.` : "";
  const end = scene.over ? (scene.success ? " Goal reached." : " The episode is over without success.") : "";
  return `Decision ${scene.decisions}. ${who}: ${last.action}, ${last.outcome}.${teacher}${end}`;
}
