// The room: table, cloth, chips, back wall with a frame for the name, lights. Dark and quiet.

import * as THREE from "three";
import { LAMP } from "./measures.js";
import { chipEdge, chipTop, cloth, noise, wood } from "./paint.js";

/** Where the name, the clock and the lamp are, for the compositor (mm). The wall's plane is y. */
export const WALL_Y = 1650;
export const SIGN = { x0: 930, x1: 1610, z0: 30, z1: 185 };
export const CLOCK = { x0: -330, x1: 90, z0: 40, z1: 165 };
const TABLE = { x0: -1500, x1: 2700, y0: -620, y1: 640 };

function box(size, at, material) {
  const made = new THREE.Mesh(new THREE.BoxGeometry(...size), material);
  made.position.set(...at);
  made.castShadow = made.receiveShadow = true;
  return made;
}

export class Room {
  constructor() {
    this.group = new THREE.Group();
    /** Things, apart from the lights. */
    this.things = new THREE.Group();
    this.group.add(this.things);
    /** Lights that do not reach the wheel. */
    this.far = [];
    this.lit = [];
    this.#table();
    this.#wall();
    this.#chips();
    this.#lamp();
    this.#lights();
  }

  /** Turn the lamp light on or off: it is on while bets are taken. */
  light(on) {
    for (const { material, light, power } of this.lit) {
      if (material) material.emissiveIntensity = on ? power : power * 0.035;
      if (light) light.intensity = on ? power : 0;
    }
  }

  #glowing(power) {
    const material = new THREE.MeshStandardMaterial({
      color: "#2a2010", emissive: LAMP, emissiveIntensity: power, roughness: 0.6,
    });
    this.lit.push({ material, power });
    return material;
  }

  #table() {
    const rect = [TABLE.x0, TABLE.y0, TABLE.x1, TABLE.y1];
    const felt = new THREE.MeshStandardMaterial({
      map: cloth(rect, [760, -235], [118, 112]),
      roughness: 0.95,
      bumpMap: noise(256, 120, [14, 6]),
      bumpScale: 0.6,
    });
    const width = TABLE.x1 - TABLE.x0;
    const depth = TABLE.y1 - TABLE.y0;
    const top = new THREE.Mesh(new THREE.PlaneGeometry(width, depth), felt);
    top.position.set((TABLE.x0 + TABLE.x1) / 2, (TABLE.y0 + TABLE.y1) / 2, 0);
    top.receiveShadow = true;
    this.things.add(top);
    const leather = new THREE.MeshPhysicalMaterial({
      color: "#15191b", roughness: 0.5, clearcoat: 0.25, clearcoatRoughness: 0.5,
      bumpMap: noise(128, 140, [60, 2], 4), bumpScale: 0.5,
    });
    for (const y of [TABLE.y0 - 40, TABLE.y1 + 40]) {
      const roll = new THREE.Mesh(new THREE.CapsuleGeometry(48, width, 16, 48), leather);
      roll.rotation.z = Math.PI / 2;
      roll.position.set((TABLE.x0 + TABLE.x1) / 2, y, 6);
      roll.castShadow = roll.receiveShadow = true;
      this.things.add(roll);
    }
    const strip = this.#glowing(1.25);
    this.things.add(box([width, 5, 5], [(TABLE.x0 + TABLE.x1) / 2, TABLE.y1 - 10, 7], strip));
    this.things.add(box([width, 6, 6], [(TABLE.x0 + TABLE.x1) / 2, TABLE.y0 + 10, 7], strip));
  }

  #wall() {
    const dark = new THREE.MeshStandardMaterial({ color: "#0e1a1e", roughness: 0.9 });
    this.things.add(box([6000, 20, 3000], [900, WALL_Y + 60, 500], dark));
    const slat = new THREE.MeshPhysicalMaterial({
      map: wood("#2b1a12", "#0c0604", [1, 4]), roughness: 0.5, clearcoat: 0.3, clearcoatRoughness: 0.4,
    });
    slat.map.rotation = Math.PI / 2;
    for (let x = -1500; x <= 3300; x += 62) {
      const inSign = x > SIGN.x0 - 70 && x < SIGN.x1 + 70;
      const inClock = x > CLOCK.x0 - 60 && x < CLOCK.x1 + 60;
      if (!inSign && !inClock) this.things.add(box([34, 40, 1700], [x, WALL_Y + 20, 300], slat));
    }
    const panel = new THREE.MeshPhysicalMaterial({ color: "#0b1417", roughness: 0.35, clearcoat: 0.4 });
    for (const at of [SIGN, CLOCK]) {
      const size = [at.x1 - at.x0 + 90, 24, 1700];
      this.things.add(box(size, [(at.x0 + at.x1) / 2, WALL_Y + 12, 300], panel));
    }
    const cove = new THREE.MeshStandardMaterial({ color: "#000", emissive: "#9fc4cc", emissiveIntensity: 0.5 });
    this.things.add(box([6000, 8, 6], [900, WALL_Y - 40, -190], cove));
    const ledge = new THREE.MeshStandardMaterial({ color: "#080d0f", roughness: 0.8 });
    this.things.add(box([6000, 1300, 30], [900, WALL_Y - 560, -330], ledge));
  }

  #chips() {
    const colours = [["#E4DFD2", 0], ["#2E7F8B", 8], ["#A5271F", 8], ["#1F7A4F", 6], ["#14181A", 10], ["#5B3D9B", 8], ["#8A6230", 12]];
    const wobble = [0.7, -0.4, 0.5, -0.8, 0.3, 0.9, -0.6];
    for (let row = 0; row < 2; row += 1) {
      colours.forEach(([colour, marks], column) => {
        const count = [17, 14, 19, 12, 16, 11, 9][(column + row * 3) % 7];
        const tops = chipTop(colour, marks || 8);
        const side = new THREE.MeshStandardMaterial({ map: chipEdge(colour, marks || 8), roughness: 0.55 });
        const top = new THREE.MeshStandardMaterial({ map: tops, roughness: 0.5 });
        for (let level = 0; level < count; level += 1) {
          const chip = new THREE.Mesh(new THREE.CylinderGeometry(19.5, 19.5, 3.1, 48), [side, top, top]);
          chip.rotation.x = Math.PI / 2;
          chip.rotation.y = level * 1.7 + column;
          const shift = wobble[(level + column) % 7];
          chip.position.set(905 + column * 62 + shift, 375 + row * 66 + shift * 0.6, 2 + level * 3.3);
          chip.castShadow = chip.receiveShadow = true;
          this.things.add(chip);
        }
      });
    }
  }

  /** The lighthouse on the table: lit while bets are taken. */
  #lamp() {
    const metal = new THREE.MeshStandardMaterial({ color: "#c9973f", metalness: 1, roughness: 0.28 });
    const at = [585, 470];
    const turn = (points, material) => {
      const made = new THREE.Mesh(
        new THREE.LatheGeometry(points.map(([r, z]) => new THREE.Vector2(r, z)), 64), material,
      );
      made.rotation.x = Math.PI / 2;
      made.position.set(...at, 0);
      made.castShadow = true;
      this.things.add(made);
    };
    turn([[0, 0], [44, 0], [45, 8], [38, 12], [30, 16], [20, 90], [26, 94], [26, 99], [0, 99]], metal);
    turn([[15, 99], [17, 104], [17, 132], [15, 136]], this.#glowing(1.9));
    turn([[24, 136], [24, 140], [18, 148], [5, 158], [3, 168], [0, 170]], metal);
    const glow = new THREE.PointLight(LAMP, 0, 620, 1);
    glow.position.set(at[0], at[1] - 60, 150);
    this.lit.push({ light: glow, power: 1500 });
    this.far.push(glow);
    this.group.add(glow);
  }

  #lights() {
    const spot = (colour, power, from, to, angle, size) => {
      const light = new THREE.SpotLight(colour, power, 0, angle, 0.7, 0);
      light.position.set(...from);
      light.target.position.set(...to);
      light.castShadow = size > 0;
      if (size > 0) {
        light.shadow.mapSize.set(size, size);
        light.shadow.radius = 7;
        light.shadow.blurSamples = 16;
        light.shadow.bias = -0.0004;
        light.shadow.normalBias = 1.2;
        light.shadow.camera.near = 500;
        light.shadow.camera.far = 4500;
      }
      this.group.add(light, light.target);
      return light;
    };
    spot("#fff1dc", 2.5, [-260, -520, 2100], [0, 0, 40], 0.34, 2048);
    spot("#ffeeda", 2.0, [1050, -480, 2200], [1150, 0, 0], 0.62, 2048);
    const front = spot("#ffe9d2", 1.9, [420, -900, 2000], [640, 760, 330], 0.34, 1024);
    const back = spot("#8fc7d6", 0.9, [1500, 1500, 1700], [640, 760, 380], 0.4, 0);
    spot("#9fd0dc", 0.5, [-900, 1500, 1500], [0, 0, 100], 0.5, 0);
    this.far.push(front, back);
    for (const x of [-700, 300, 1300, 2300]) {
      const wash = spot("#e7b98a", 3.4, [x, WALL_Y - 210, 1150], [x, WALL_Y + 20, 120], 0.42, 0);
      this.far.push(wash);
    }
  }
}
