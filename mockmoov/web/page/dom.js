// Builds elements. Text from the server only ever becomes a text node or an attribute value that runs nothing.

const PROPERTIES = new Set(["checked", "disabled", "selected", "value", "hidden"]);

/**
 * A new element. An attribute that begins with "on" is a listener; null and false leave an attribute out.
 * Children are elements, texts, lists of them, or null.
 */
export function el(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (PROPERTIES.has(name)) made[name] = value;
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return made;
}

/** A new element of SVG. */
export function svg(tag, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return made;
}

/** A button that copies a text, and says so. */
export function copyButton(text, label = "Copy") {
  const button = el("button", { type: "button", class: "quiet", "data-testid": "copy" }, label);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(typeof text === "function" ? text() : text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "The browser refused";
    }
    setTimeout(() => { button.textContent = label; }, 1500);
  });
  return button;
}

/** Lines of code with a button that copies them. */
export function codeBlock(text, testid) {
  return el("div", { class: "code" },
    el("pre", { tabindex: "0", "data-testid": testid }, text),
    copyButton(text));
}
