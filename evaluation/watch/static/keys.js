// Shortcuts of one key. They can be switched off, and are not heard while a field has the focus.

import { $ } from "./show.js";

const KEPT = "retort-shortcuts";

export function listenForKeys(commands) {
  const box = $("shortcuts");
  box.checked = localStorage.getItem(KEPT) !== "off";
  box.addEventListener("change", () => localStorage.setItem(KEPT, box.checked ? "on" : "off"));
  document.addEventListener("keydown", event => {
    if (!box.checked || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input:not([type=checkbox]), select, textarea")) return;
    const key = event.key.toLowerCase();
    const command = /^[1-9]$/.test(key) ? () => commands.act(Number(key) - 1) : commands[key];
    if (!command) return;
    event.preventDefault();
    command();
  });
}
