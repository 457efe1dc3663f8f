"use strict";

// What all labs need. A lab's own script comes after it and ends in openLab(render).

// ---- Arithmetic: pure, and compared with course_utils.convolution by the tests ----

function outputSize(size, kernel, stride, padding) {
  if (padding === "same") return Math.ceil(size / stride);
  return Math.max(Math.floor((size - kernel) / stride) + 1, 0);
}

function samePadding(size, kernel, stride) {
  const total = Math.max((outputSize(size, kernel, stride, "same") - 1) * stride + kernel - size, 0);
  return [Math.floor(total / 2), Math.ceil(total / 2)];
}

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

// ---- Words and numbers ----

const SUPERSCRIPT = "⁰¹²³⁴⁵⁶⁷⁸⁹";

function number(value, limit = 1e12) {
  if (value < limit) return value.toLocaleString("en");
  const [digits, power] = value.toExponential(2).split("e+");
  return `${digits} × 10${[...power].map((digit) => SUPERSCRIPT[digit]).join("")}`;
}

function plural(count, word) {
  return `${number(count)} ${word}${count === 1 ? "" : "s"}`;
}

// ---- The page ----

const byId = (id) => document.getElementById(id);
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

// Screen readers hear the last of several texts that follow each other closely.
let waiting;
function announce(text) {
  clearTimeout(waiting);
  waiting = setTimeout(() => { byId("live").textContent = text; }, 150);
}

// A row of radio buttons in the element of that id: arrow keys, labels and states come with them.
// options: [value, text] each; decorate(face, value) may add to what one sees of an option.
function choices(id, label, options, chosen, onChange, decorate) {
  const caption = document.createElement("span"), row = document.createElement("div");
  Object.assign(caption, { id: `${id}-label`, className: "label", textContent: label });
  row.className = "options";
  row.setAttribute("role", "radiogroup");
  row.setAttribute("aria-labelledby", caption.id);
  for (const [value, text] of options) {
    const option = document.createElement("label"), radio = document.createElement("input"), face = document.createElement("span");
    option.className = "option";
    Object.assign(radio, { type: "radio", name: id, value: String(value), checked: value === chosen });
    face.textContent = text;
    decorate?.(face, value);
    radio.addEventListener("change", () => onChange(value));
    option.append(radio, face);
    row.append(option);
  }
  byId(id).append(caption, row);
}

function choose(id, value) {
  for (const radio of byId(id).querySelectorAll("input")) radio.checked = radio.value === String(value);
}

// Rows and columns that an arrow key moves by.
const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

// Where an event points at: [down, across], in CSS pixels of the element.
function pointAt(element, event) {
  const box = element.getBoundingClientRect();
  return [event.clientY - box.top, event.clientX - box.left];
}

// ---- Drawing ----

// Clears and sizes the canvas in an element; its context then draws in CSS pixels.
function prepare(element, width, height) {
  const canvas = element.querySelector("canvas"), ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

function hatch(context, left, top, width, height, style, step = 6, lineWidth = 1) {
  context.save();
  context.beginPath();
  context.rect(left, top, width, height);
  context.clip();
  context.strokeStyle = style;
  context.lineWidth = lineWidth;
  context.beginPath();
  for (let x = left - height - (left + top) % step; x < left + width; x += step) {
    context.moveTo(x, top + height);
    context.lineTo(x + height, top);
  }
  context.stroke();
  context.restore();
}

function gridLines(context, left, top, cells, cell) {
  if (cell < 6) return; // they would hide what they divide
  context.fillStyle = "rgba(128, 134, 140, .38)";
  for (let i = 1; i < cells; i++) {
    context.fillRect(left + i * cell - 0.5, top, 1, cells * cell);
    context.fillRect(left, top + i * cell - 0.5, cells * cell, 1);
  }
}

// A frame with a white halo: it shows on every picture. rectangle: [left, top, width, height].
function outline(context, rectangle, style, width, halo) {
  context.lineJoin = "round";
  for (const [lineWidth, line] of [[width + 2 * halo, "#ffffff"], [width, style]]) {
    context.lineWidth = lineWidth;
    context.strokeStyle = line;
    context.strokeRect(...rectangle);
  }
}

// ---- The page around ----

// Draws the lab, and again when its theme or its width changes; tells the embedding page its height.
function openLab(render) {
  const prefersDark = window.matchMedia("(prefers-color-scheme: dark)");
  let asked = null; // the theme that the embedding page asked for
  function applyTheme() {
    document.documentElement.dataset.theme = asked ?? (prefersDark.matches ? "dark" : "light");
    render();
  }
  prefersDark.addEventListener("change", applyTheme);
  window.addEventListener("message", ({ source, data }) => {
    if (source !== window.parent || data?.type !== "course-theme") return;
    if (data.theme === "light" || data.theme === "dark") {
      asked = data.theme;
      applyTheme();
    }
  });

  const main = document.querySelector("main");
  let width = 0, height = 0;
  new ResizeObserver(() => {
    const box = main.getBoundingClientRect();
    if (box.width !== width) { width = box.width; render(); }
    const now = Math.ceil(main.getBoundingClientRect().height);
    if (now === height) return;
    height = now;
    if (window.parent !== window) window.parent.postMessage({ type: "course-lab-height", height }, "*");
  }).observe(main);
  applyTheme();
}
