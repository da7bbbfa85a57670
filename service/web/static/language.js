/** The other language without losing the results: nothing is stored that could bring them back. */

import { element } from "./parts.js";

/**
 * @param {() => void} remount Called when the page's words are there in the other language.
 */
export function bindLanguage(remount) {
  const link = element("language");
  link.addEventListener("click", async (event) => {
    event.preventDefault();
    const page = await pageAt(link.href);
    if (!page) {
      location.assign(link.href);
      return;
    }
    history.replaceState(null, "", link.href);
    document.documentElement.lang = page.documentElement.lang;
    document.title = page.title;
    document.body.replaceWith(document.adoptNode(page.body));
    remount();
    element("language").focus();
  });
}

/** @returns {Promise<Document | null>} */
function pageAt(address) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open("GET", address);
    request.responseType = "document";
    request.onloadend = () => resolve(request.status === 200 ? request.response : null);
    request.send();
  });
}
