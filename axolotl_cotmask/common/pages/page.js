"use strict";

/** Return the data of the page: base64 of gzip of JSON. */
async function unpack() {
  const text = atob(document.getElementById("data").textContent);
  const bytes = new Uint8Array(text.length);
  for (let place = 0; place < text.length; place++) bytes[place] = text.charCodeAt(place);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

/** Characters that would hide, or turn around what stands beside them; halves of characters. */
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\u{d800}-\u{dfff}]/gu;

/** Return a text with the code of each unseen character in its place. */
function visible(text) {
  return text.replace(UNSEEN, (c) => "\u27e8U+" + c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0") + "\u27e9");
}

/** Return a new element; children are elements, or texts that stand as they are. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const count = (number) => number.toLocaleString("en");

/** Begin a page: `start` gets its data; what goes wrong stands on the page. */
function show(start) {
  unpack()
    .then(start)
    .then(() => { document.documentElement.dataset.ready = Math.round(performance.now()); })
    .catch((error) => {
      document.querySelector("main").prepend(element("p", { role: "alert" }, `This page cannot be shown here (${error}): open it in a browser of 2023 or later.`));
      throw error;
    });
}
