/** The access key, if the service requires one: asked for once, kept in memory only. */

import { element } from "./dom.js";

let key = "";
/** @type {Promise<boolean> | null} */
let pendingRequest = null;

export const currentKey = () => key;

/**
 * Ask for a key to replace a rejected one. Concurrent requests share one dialog.
 * @param {string} rejected The rejected key; empty if there was none.
 * @returns {Promise<boolean>} Whether there is a new key to try.
 */
export function requestKey(rejected) {
  if (rejected !== key) return Promise.resolve(true); // another request has got a new key
  pendingRequest ??= showDialog(rejected !== "").finally(() => {
    pendingRequest = null;
  });
  return pendingRequest;
}

/** @param {boolean} again */
function showDialog(again) {
  const dialog = element("key-dialog");
  const input = element("key");
  element("key-wrong").hidden = !again;
  input.value = "";
  return new Promise((resolve) => {
    element("key-form").onsubmit = (event) => {
      event.preventDefault();
      key = input.value.trim();
      dialog.close();
    };
    element("key-cancel").onclick = () => dialog.close();
    const before = key;
    dialog.onclose = () => {
      input.value = "";
      resolve(key !== "" && key !== before);
    };
    dialog.showModal();
  });
}
