// Textures, drawn on canvases: nothing is photographed and nothing is downloaded.

import * as THREE from "three";
import { CLOTH_COLOUR, CREAM, LAMP, LINE_COLOUR } from "./measures.js";

/** A small seeded generator, so that every build draws the same grain. */
export function grain(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 4294967296;
  };
}

function canvas(width, height) {
  const made = document.createElement("canvas");
  made.width = width;
  made.height = height;
  return [made, made.getContext("2d")];
}

function texture(made, { repeat = null, colour = true } = {}) {
  const map = new THREE.CanvasTexture(made);
  map.anisotropy = 16;
  if (colour) map.colorSpace = THREE.SRGBColorSpace;
  if (repeat) {
    map.wrapS = map.wrapT = THREE.RepeatWrapping;
    map.repeat.set(...repeat);
  }
  return map;
}

/** Wood whose grain runs along u. */
export function wood(base, dark, repeat) {
  const [made, pen] = canvas(1024, 256);
  const next = grain(7);
  pen.fillStyle = base;
  pen.fillRect(0, 0, 1024, 256);
  for (let index = 0; index < 420; index += 1) {
    const y = next() * 256;
    const bend = (next() - 0.5) * 16;
    pen.strokeStyle = dark;
    pen.globalAlpha = 0.04 + next() * 0.13;
    pen.lineWidth = 0.5 + next() * 2.2;
    for (const shift of [-256, 0, 256]) {
      pen.beginPath();
      pen.moveTo(0, y + shift);
      pen.bezierCurveTo(340, y + bend + shift, 680, y - bend + shift, 1024, y + shift);
      pen.stroke();
    }
  }
  return texture(made, { repeat });
}

/** Fine noise for bumps: cloth, plaster. */
export function noise(size, contrast, repeat, seed = 3) {
  const [made, pen] = canvas(size, size);
  const next = grain(seed);
  const image = pen.createImageData(size, size);
  for (let index = 0; index < size * size; index += 1) {
    const value = 128 + (next() - 0.5) * contrast;
    image.data.set([value, value, value, 255], index * 4);
  }
  pen.putImageData(image, 0, 0);
  return texture(made, { repeat, colour: false });
}

const REDS = new Set([1, 3, 5, 7, 9, 12, 14, 16, 18, 19, 21, 23, 25, 27, 30, 32, 34, 36]);

/**
 * The cloth: `mm` gives its rectangle [x0, y0, x1, y1]; the layout begins at `layout` [x, y] (lower
 * left corner of number 1) with cells of `cell` [width, height] mm.
 */
export function cloth(mm, layout, cell, perMm = 1.5) {
  const [made, pen] = canvas(
    Math.round((mm[2] - mm[0]) * perMm),
    Math.round((mm[3] - mm[1]) * perMm),
  );
  pen.fillStyle = CLOTH_COLOUR;
  pen.fillRect(0, 0, made.width, made.height);
  const next = grain(11);
  for (let index = 0; index < 60000; index += 1) {
    pen.fillStyle = next() < 0.5 ? "rgba(255,255,255,0.018)" : "rgba(0,0,0,0.05)";
    pen.fillRect(next() * made.width, next() * made.height, 3, 1.5);
  }
  pen.setTransform(perMm, 0, 0, -perMm, -mm[0] * perMm, mm[3] * perMm);
  drawLayout(pen, layout, cell);
  return texture(made);
}

function drawLayout(pen, [x0, y0], [width, height]) {
  pen.strokeStyle = LINE_COLOUR;
  pen.lineWidth = 4;
  pen.lineJoin = "round";
  const line = (...points) => {
    pen.beginPath();
    for (const [x, y] of points) pen.lineTo(x, y);
    pen.stroke();
  };
  const x1 = x0 + 12 * width;
  for (let row = 0; row <= 3; row += 1) line([x0, y0 + row * height], [x1 + width, y0 + row * height]);
  for (let column = 0; column <= 12; column += 1) {
    line([x0 + column * width, y0], [x0 + column * width, y0 + 3 * height]);
  }
  line([x1 + width, y0], [x1 + width, y0 + 3 * height]);
  pen.beginPath();
  pen.moveTo(x0, y0);
  pen.bezierCurveTo(x0 - width * 1.5, y0, x0 - width * 1.5, y0 + 3 * height, x0, y0 + 3 * height);
  pen.stroke();
  const words = (text, x, y, size, turn = 0) => {
    pen.save();
    pen.translate(x, y);
    pen.scale(1, -1);
    pen.rotate(turn);
    pen.font = `500 ${size}px Newsreader`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.fillStyle = CREAM;
    pen.fillText(text, 0, size * 0.06);
    pen.restore();
  };
  for (let number = 1; number <= 36; number += 1) {
    const x = x0 + (Math.floor((number - 1) / 3) + 0.5) * width;
    const y = y0 + (((number - 1) % 3) + 0.5) * height;
    pen.beginPath();
    pen.ellipse(x, y, width * 0.36, height * 0.38, 0, 0, 7);
    pen.fillStyle = REDS.has(number) ? "#B02A21" : "#0A1012";
    pen.fill();
    words(String(number), x, y, height * 0.54, -Math.PI / 2);
  }
  words("0", x0 - width * 0.55, y0 + 1.5 * height, height * 0.7, -Math.PI / 2);
  drawOutside(pen, words, [x0, y0], [width, height], line);
}

function drawOutside(pen, words, [x0, y0], [width, height], line) {
  const x1 = x0 + 12 * width;
  const rows = [y0 - height * 0.85, y0 - height * 1.7];
  for (const y of rows) line([x0, y], [x1, y]);
  for (let index = 0; index <= 3; index += 1) {
    line([x0 + index * 4 * width, y0], [x0 + index * 4 * width, rows[1]]);
  }
  for (let index = 1; index < 6; index += 2) {
    line([x0 + index * 2 * width, rows[0]], [x0 + index * 2 * width, rows[1]]);
  }
  ["1st 12", "2nd 12", "3rd 12"].forEach((text, index) => {
    words(text, x0 + (index * 4 + 2) * width, y0 - height * 0.43, height * 0.52);
  });
  ["1–18", "EVEN", null, null, "ODD", "19–36"].forEach((text, index) => {
    const x = x0 + (index * 2 + 1) * width;
    const y = y0 - height * 1.28;
    if (text) {
      words(text, x, y, height * 0.48);
      return;
    }
    pen.fillStyle = index === 2 ? "#B02A21" : "#0A1012";
    pen.beginPath();
    for (const [dx, dy] of [[-0.7, 0], [0, 0.3], [0.7, 0], [0, -0.3]]) {
      pen.lineTo(x + dx * width, y + dy * height);
    }
    pen.fill();
  });
}

/** Waistcoat, shirt and tie, unrolled: u 0.5 is the middle of the chest, v 1 the collar. */
export function waistcoat() {
  const [made, pen] = canvas(1024, 1024);
  pen.fillStyle = "#161d22";
  pen.fillRect(0, 0, 1024, 1024);
  const next = grain(5);
  for (let y = 0; y < 1024; y += 4) {
    pen.fillStyle = `rgba(255,255,255,${0.008 + next() * 0.014})`;
    pen.fillRect(0, y, 1024, 2);
  }
  shape(pen, "#ddd8cc", [[438, 0], [586, 0], [512, 470]]);
  shape(pen, "#b9b3a6", [[500, 150], [524, 150], [516, 455], [508, 455]]);
  shape(pen, "#0d1114", [[436, 0], [414, 0], [505, 490], [512, 470]]);
  shape(pen, "#0d1114", [[588, 0], [610, 0], [519, 490], [512, 470]]);
  shape(pen, "#f4efe3", [[446, 0], [512, 0], [498, 92], [470, 120]]);
  shape(pen, "#f4efe3", [[578, 0], [512, 0], [526, 92], [554, 120]]);
  pen.strokeStyle = "#090c0e";
  pen.lineWidth = 4;
  pen.beginPath();
  pen.moveTo(512, 480);
  pen.lineTo(512, 1024);
  pen.stroke();
  for (let y = 540; y < 1000; y += 96) {
    pen.fillStyle = LAMP;
    pen.beginPath();
    pen.arc(524, y, 8, 0, 7);
    pen.fill();
  }
  shape(pen, "#0a0e10", [[400, 800], [478, 780], [478, 792], [400, 812]]);
  shape(pen, "#0a0e10", [[624, 800], [546, 780], [546, 792], [624, 812]]);
  return texture(made);
}

function shape(pen, colour, points) {
  pen.fillStyle = colour;
  pen.beginPath();
  for (const [x, y] of points) pen.lineTo(x, y);
  pen.fill();
}

/** The edge of a chip: cream marks on its colour, once around. */
export function chipEdge(colour, marks) {
  const [made, pen] = canvas(512, 16);
  pen.fillStyle = colour;
  pen.fillRect(0, 0, 512, 16);
  pen.fillStyle = CREAM;
  for (let index = 0; index < marks; index += 1) pen.fillRect((index * 512) / marks, 0, 512 / marks / 2.4, 16);
  pen.fillStyle = "rgba(0,0,0,0.55)";
  pen.fillRect(0, 0, 512, 1.5);
  return texture(made);
}

/** The top of a chip. */
export function chipTop(colour, marks) {
  const [made, pen] = canvas(128, 128);
  pen.fillStyle = colour;
  pen.fillRect(0, 0, 128, 128);
  pen.translate(64, 64);
  pen.fillStyle = CREAM;
  for (let index = 0; index < marks; index += 1) {
    pen.beginPath();
    pen.arc(0, 0, 64, (index * 6.2832) / marks, (index * 6.2832) / marks + 2.6 / marks);
    pen.arc(0, 0, 48, (index * 6.2832) / marks + 2.6 / marks, (index * 6.2832) / marks, true);
    pen.fill();
  }
  pen.beginPath();
  pen.arc(0, 0, 38, 0, 7);
  pen.fill();
  return texture(made);
}
