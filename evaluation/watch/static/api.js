// The playground's API. Whatever is refused becomes a Refusal with a sentence for the reader.

export class Refusal extends Error {
  constructor(status, detail, waitS) {
    super(detail);
    this.status = status;
    this.waitS = waitS;
  }
}

const KEY = "retort-key";

export function useKey(key) {
  sessionStorage.setItem(KEY, key);
}

async function call(method, path, body, keepalive = false) {
  const headers = {};
  const key = sessionStorage.getItem(KEY);
  if (key) headers.Authorization = `Bearer ${key}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, { method, headers, body: body && JSON.stringify(body), keepalive });
  } catch {
    throw new Refusal(0, "The playground itself does not answer. Start it again: python retort.py watch", 0);
  }
  if (response.status === 204) return null;
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  const wait = Number(response.headers.get("Retry-After")) || 0;
  throw new Refusal(response.status, answer.detail || `refused with status ${response.status}`, wait);
}

const at = id => `api/episodes/${encodeURIComponent(id)}`;

export const catalogue = () => call("GET", "api/catalogue");
export const student = () => call("GET", "api/student");
export const open = episode => call("POST", "api/episodes", episode);
export const scene = id => call("GET", at(id));
export const ask = id => call("POST", `${at(id)}/ask`);
export const step = (id, decisions, action) => call("POST", `${at(id)}/step`, { decisions, action });
export const close = id => call("DELETE", at(id), undefined, true);
export const look = picture => call("POST", "api/look", picture);
