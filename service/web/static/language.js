/** Switches the language without reloading, because a reload would lose the results. */

import { element } from "./dom.js";

/**
 * @param {() => void} remount Called after the document has been replaced.
 */
export function bindLanguage(remount) {
  const link = element("language");
  link.addEventListener("click", async (event) => {
    event.preventDefault();
    const page = await fetchPage(link.href);
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
function fetchPage(address) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open("GET", address);
    request.responseType = "document";
    request.onloadend = () => resolve(request.status === 200 ? request.response : null);
    request.send();
  });
}
