// A picture of one's own: turned upright and made small here, so that a photograph of a phone is no burden.

import * as api from "./api.js";
import { $, noteText, showBars } from "./show.js";

const LONGEST = 512;

async function read(file) {
  const bitmap = await createImageBitmap(file).catch(() => null);
  if (!bitmap) throw new api.Refusal(422, "This file is no PNG or JPEG picture: choose another.", 0);
  const scale = Math.min(1, LONGEST / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(8, Math.round(bitmap.width * scale));
  canvas.height = Math.max(8, Math.round(bitmap.height * scale));
  canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/png");
}

export function listenForPictures(suite) {
  $("look").addEventListener("submit", async event => {
    event.preventDefault();
    $("look-problem").hidden = true;
    const button = $("look").querySelector("button");
    button.disabled = true;
    try {
      const goal = $("look-goal").value.trim();
      const { frame, decision } = await api.look({ frame: await read($("file").files[0]), goal, suite: suite() });
      $("looked").hidden = false;
      $("look-frame").src = frame;
      $("look-choice").textContent = decision.action;
      $("look-note").textContent = noteText(decision.note);
      showBars($("look-alternatives"), decision, null);
    } catch (refusal) {
      $("looked").hidden = true;
      $("look-problem").hidden = false;
      $("look-problem").textContent = refusal.message;
    } finally {
      button.disabled = false;
    }
  });
}
