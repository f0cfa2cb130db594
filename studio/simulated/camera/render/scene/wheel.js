// The wheel: a mahogany bowl with deflectors, and a rotor whose pockets can be coloured in three ways.

import * as THREE from "three";
import {
  ARM, BLACK, BOWL, CONE, CREAM, FLOOR, GREEN, PITCH, POCKETS, RED, RING, TURRET,
} from "./measures.js";
import { wood } from "./paint.js";

const brass = () =>
  new THREE.MeshStandardMaterial({ color: "#c9973f", metalness: 1, roughness: 0.24 });

function lathe(points, material, segments = 256) {
  // LatheGeometry turns about y and wants the profile from below; z is up here.
  const profile = [...points].reverse().map(([r, z]) => new THREE.Vector2(r, z));
  const geometry = new THREE.LatheGeometry(profile, segments);
  geometry.rotateX(Math.PI / 2);
  const made = new THREE.Mesh(geometry, material);
  made.material.side = THREE.DoubleSide;
  made.castShadow = made.receiveShadow = true;
  return made;
}

/** A curve through the points, so that turned wood has no facets. */
function turned(points, count) {
  const curve = new THREE.CatmullRomCurve3(
    points.map(([r, z]) => new THREE.Vector3(r, z, 0)), false, "centripetal",
  );
  return curve.getPoints(count).map((p) => [Math.max(p.x, 0.01), p.y]);
}

function bowl() {
  const group = new THREE.Group();
  const polished = { roughness: 0.3, clearcoat: 0.9, clearcoatRoughness: 0.12, metalness: 0 };
  const rim = new THREE.MeshPhysicalMaterial({
    map: wood("#5f2516", "#1d0803", [6, 1]), ...polished,
  });
  const apron = new THREE.MeshPhysicalMaterial({
    map: wood("#6e2f1c", "#260c06", [10, 1]), ...polished, roughness: 0.36,
  });
  group.add(lathe(turned(BOWL.slice(0, 9), 60), rim));
  group.add(lathe(turned(BOWL.slice(8, 14), 40), apron));
  group.add(lathe(BOWL.slice(13), apron));
  for (const [radius, z, thick] of [[403.5, 115, 1.8], [369, 98.6, 1.3], [274, 56.5, 1.8]]) {
    const ring = new THREE.Mesh(new THREE.TorusGeometry(radius, thick, 12, 256), brass());
    ring.position.z = z;
    group.add(ring);
  }
  for (let index = 0; index < 16; index += 1) group.add(deflector(index));
  return group;
}

/** A brass diamond on the apron, every other one across. */
function deflector(index) {
  const angle = ((index + 0.5) / 16) * 2 * Math.PI;
  const made = new THREE.Mesh(new THREE.OctahedronGeometry(1), brass());
  const along = index % 2 === 0;
  made.material.flatShading = true;
  made.scale.set(along ? 17 : 6, along ? 6 : 17, 6);
  const slope = new THREE.Group();
  slope.add(made);
  slope.rotation.y = -Math.atan2(98 - 63, 368 - 290);
  const turn = new THREE.Group();
  slope.position.set(330, 0, 82);
  turn.add(slope);
  turn.rotation.z = angle;
  made.castShadow = true;
  return turn;
}

/** Colour of pocket slot `index` in a pattern. */
function slotColour(pattern, index) {
  if (pattern === "green") return GREEN;
  if (pattern === "white") return CREAM;
  return (index % 2 === 0) === (pattern === "even") ? RED : BLACK;
}

/** A sector from `outer` to `inner` [radius, height] around angle 0, `width` radians wide. */
function sector(outer, inner, width) {
  const steps = 6;
  const points = [];
  const faces = [];
  for (let step = 0; step <= steps; step += 1) {
    const angle = (step / steps - 0.5) * width;
    for (const [r, z] of [inner, outer]) points.push(r * Math.cos(angle), r * Math.sin(angle), z);
    if (step < steps) faces.push(step * 2, step * 2 + 1, step * 2 + 2, step * 2 + 2, step * 2 + 1, step * 2 + 3);
  }
  const geometry = new THREE.BufferGeometry();
  geometry.setAttribute("position", new THREE.Float32BufferAttribute(points, 3));
  geometry.setIndex(faces);
  geometry.computeVertexNormals();
  return geometry;
}

export class Wheel {
  constructor() {
    this.group = new THREE.Group();
    this.bowl = bowl();
    this.cone = new THREE.Group();
    this.group.add(this.bowl, this.cone);
    this.rotor = new THREE.Group();
    this.turret = new THREE.Group();
    this.group.add(this.rotor, this.turret);
    this.slots = [];
    this.#pockets();
    this.#cone();
  }

  /** Turn the pockets by `phase` and the turret by `arms` radians; colour the slots. */
  pose({ phase = 0, arms = 0, pattern = "even" }) {
    this.rotor.rotation.z = phase;
    this.turret.rotation.z = arms;
    this.slots.forEach((material, index) => {
      material.color.set(slotColour(pattern, index));
    });
  }

  /** Plain paint on wood that is only looked past: software rendering is slow. */
  plain(on) {
    const paint = new THREE.MeshBasicMaterial({ color: "#3a140b", side: THREE.DoubleSide });
    for (const part of [this.bowl, this.cone]) {
      part.traverse((mesh) => {
        if (!mesh.isMesh) return;
        mesh.userData.polished ??= mesh.material;
        mesh.material = on ? paint : mesh.userData.polished;
      });
    }
  }

  #pockets() {
    const ring = sector(RING.outer, RING.inner, PITCH);
    const floor = sector([FLOOR.outer, FLOOR.z + 1], [FLOOR.inner, FLOOR.z], PITCH);
    const wall = sector([FLOOR.outer, RING.inner[1]], [FLOOR.outer + 0.01, FLOOR.z], PITCH);
    const fret = new THREE.BoxGeometry(FLOOR.outer - FLOOR.inner, FLOOR.fretMm, FLOOR.fretZ - FLOOR.z);
    const line = new THREE.BoxGeometry(Math.hypot(29, 5), 1.5, 0.7);
    const metal = brass();
    for (let index = 0; index < POCKETS; index += 1) {
      const material = new THREE.MeshPhysicalMaterial({
        roughness: 0.42, clearcoat: 0.55, clearcoatRoughness: 0.25, side: THREE.DoubleSide,
      });
      this.slots.push(material);
      const slot = new THREE.Group();
      slot.rotation.z = index * PITCH;
      for (const geometry of [ring, floor, wall]) slot.add(new THREE.Mesh(geometry, material));
      const side = new THREE.Group();
      side.rotation.z = PITCH / 2;
      const separator = new THREE.Mesh(fret, metal);
      separator.position.set((FLOOR.outer + FLOOR.inner) / 2, 0, (FLOOR.z + FLOOR.fretZ) / 2);
      const edge = new THREE.Mesh(line, metal);
      edge.position.set(255.5, 0, 52.7);
      edge.rotation.y = -Math.atan2(5, 29);
      side.add(separator, edge);
      slot.add(side);
      slot.traverse((part) => {
        part.castShadow = part.receiveShadow = true;
      });
      this.rotor.add(slot);
    }
    for (const [radius, z, thick] of [[270, 55.4, 1.5], [241, 50.2, 1.3], [208, 50.6, 2]]) {
      const hoop = new THREE.Mesh(new THREE.TorusGeometry(radius, thick, 12, 256), metal);
      hoop.position.z = z;
      this.rotor.add(hoop);
    }
  }

  #cone() {
    const polished = new THREE.MeshPhysicalMaterial({
      map: wood("#642818", "#230a05", [8, 1]), roughness: 0.32, clearcoat: 0.9, clearcoatRoughness: 0.1,
    });
    const inner = new THREE.MeshStandardMaterial({ color: "#7d5a22", metalness: 0.9, roughness: 0.4 });
    this.rotor.add(lathe(CONE.slice(0, 2), inner));
    this.cone.add(lathe(CONE.slice(1), polished));
    const metal = brass();
    this.turret.add(lathe(turned(TURRET, 90), metal, 96));
    for (let index = 0; index < 4; index += 1) {
      const arm = new THREE.Group();
      arm.rotation.z = (index * Math.PI) / 2;
      const bar = new THREE.Mesh(new THREE.CylinderGeometry(3.2, 4.4, ARM.reach, 24), metal);
      bar.rotation.z = -Math.PI / 2;
      bar.position.set(ARM.reach / 2, 0, ARM.z);
      const tip = new THREE.Mesh(new THREE.SphereGeometry(ARM.tipMm, 32, 24), metal);
      tip.position.set(ARM.reach, 0, ARM.z);
      for (const part of [bar, tip]) part.castShadow = true;
      arm.add(bar, tip);
      this.turret.add(arm);
    }
  }
}
