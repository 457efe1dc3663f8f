// What the theme does not do: it talks to the labs, and makes what scrolls sideways reachable by keyboard.
// Stands in <head> and is not deferred: a lab may report its height before the page is complete.

const LAB_HEIGHT = { least: 200, most: 4000 };
const labs = () => [...document.querySelectorAll("iframe[srcdoc], .course-lab > iframe")];

function tellTheme(lab) {
  const theme = document.documentElement.dataset.theme;
  // A sandboxed lab has no origin that could be named here; the message holds nothing private.
  lab.contentWindow.postMessage({ type: "course-theme", theme }, "*");
}

window.addEventListener("message", ({ source, data }) => {
  const lab = labs().find((frame) => frame.contentWindow === source);
  if (!lab || data?.type !== "course-lab-height" || !Number.isFinite(data.height)) return;
  const height = Math.min(Math.max(data.height, LAB_HEIGHT.least), LAB_HEIGHT.most);
  lab.style.height = `${Math.ceil(height)}px`;
});

// What is too wide scrolls within itself; then, and only then, it is a tab stop. The theme does it for
// code, but not when a folded solution opens.
const WIDE = "div.math, .pst-scrollable-table-container, .bd-article pre, .cell_output > .output";
const reachable = (boxes) => {
  // All are read before any is written to: a write in between would have the page laid out anew.
  const wide = boxes.map((box) => box.scrollWidth > box.clientWidth);
  boxes.forEach((box, index) => {
    if (wide[index]) box.tabIndex = 0;
    else if (box.hasAttribute("tabindex")) box.removeAttribute("tabindex");
  });
};
const watchWidth = new ResizeObserver((entries) => reachable(entries.map(({ target }) => target)));

document.addEventListener("DOMContentLoaded", () => {
  for (const lab of labs()) {
    lab.addEventListener("load", () => tellTheme(lab));
    tellTheme(lab);
  }
  new MutationObserver(() => labs().forEach(tellTheme)).observe(document.documentElement, {
    attributeFilter: ["data-theme"],
  });
  // Notebooks link to this site by its address; here the way is shorter, and works without a network.
  for (const link of document.querySelectorAll("a[data-course-page]")) {
    link.href = document.documentElement.dataset.content_root + link.dataset.coursePage;
  }
  const boxes = [...document.querySelectorAll(WIDE)];
  boxes.forEach((box) => watchWidth.observe(box));
  // A formula grows when its fonts come, and its box does not.
  document.fonts.addEventListener("loadingdone", () => reachable(boxes));
  // The theme's label would hide the words that stand on the button.
  for (const summary of document.querySelectorAll("details.hide > summary")) {
    summary.removeAttribute("aria-label");
  }
});
