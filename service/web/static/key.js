/** The access key, where the service wants one: asked for once, held in memory, never stored. */

import { element } from "./parts.js";

let key = "";
/** @type {Promise<boolean> | null} */
let asking = null;

export const currentKey = () => key;

/**
 * Ask for a key in place of one that was refused. Requests that are refused together share one
 * question.
 * @param {string} refused The key that did not do; empty if there was none.
 * @returns {Promise<boolean>} Whether there is a new key to try.
 */
export function askForKey(refused) {
  if (refused !== key) return Promise.resolve(true); // another request has asked meanwhile
  asking ??= question(refused !== "").finally(() => {
    asking = null;
  });
  return asking;
}

/** @param {boolean} again */
function question(again) {
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
