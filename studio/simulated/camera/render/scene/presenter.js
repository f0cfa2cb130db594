// The presenter, modelled and cropped above the collar: no face, so nobody's face.

import * as THREE from "three";
import { LAMP } from "./measures.js";
import { noise, waistcoat } from "./paint.js";

const UPPER_MM = 290;
const FORE_MM = 262;
const SHOULDER = { x: 166, y: 5, z: 540 };

/**
 * Where wrists are (mm, from the presenter's feet line, x to the picture's right, y away, z over the
 * cloth), how far palms are turned down (0) or up (1), and how the body leans.
 */
export const POSES = {
  idle: { left: [-205, -235, 42], right: [205, -235, 42], palm: 0, lean: 0, turn: 0, bow: 0 },
  sway: { left: [-208, -232, 42], right: [203, -238, 42], palm: 0, lean: 0.012, turn: 0.03, bow: 0.012 },
  launch: { left: [-430, -330, 185], right: [190, -230, 44], palm: 0, lean: -0.1, turn: 0.42, bow: 0.16 },
  close: { left: [-215, -330, 210], right: [330, -395, 190], palm: 0, lean: 0.03, turn: -0.1, bow: 0.12 },
  announce: { left: [-200, -230, 44], right: [300, -330, 300], palm: 1, lean: 0.02, turn: -0.22, bow: 0.03 },
  take: { left: [-415, -350, 150], right: [180, -240, 46], palm: 0, lean: -0.12, turn: 0.45, bow: 0.24 },
};

export function between(one, two, part) {
  const mix = (a, b) => a + (b - a) * part;
  const hand = (name) => one[name].map((value, index) => mix(value, two[name][index]));
  // Hands move in arcs: they are lifted on their way.
  const lifted = (name) => {
    const [x, y, z] = hand(name);
    const way = Math.hypot(...one[name].map((value, index) => value - two[name][index]));
    return [x, y, z + Math.min(way * 0.18, 60) * 4 * part * (1 - part)];
  };
  return {
    left: lifted("left"),
    right: lifted("right"),
    palm: mix(one.palm, two.palm),
    lean: mix(one.lean, two.lean),
    turn: mix(one.turn, two.turn),
    bow: mix(one.bow, two.bow),
  };
}

function limb(from, to, radii, material) {
  const way = new THREE.Vector3().subVectors(to, from);
  const length = way.length();
  const profile = [];
  for (let step = 0; step <= 18; step += 1) {
    const part = step / 18;
    const fold = 1 + 0.035 * Math.sin(part * 21) * Math.sin(part * Math.PI);
    profile.push(new THREE.Vector2((radii[0] + (radii[1] - radii[0]) * part) * fold, part * length));
  }
  const made = new THREE.Mesh(new THREE.LatheGeometry(profile, 32), material);
  made.position.copy(from);
  made.quaternion.setFromUnitVectors(new THREE.Vector3(0, 1, 0), way.normalize());
  return made;
}

function ball(at, radius, material, scale = [1, 1, 1]) {
  const made = new THREE.Mesh(new THREE.SphereGeometry(radius, 32, 24), material);
  made.position.copy(at);
  made.scale.set(...scale);
  return made;
}

export class Presenter {
  constructor(at) {
    this.group = new THREE.Group();
    this.group.position.set(...at);
    const folds = noise(64, 90, [3, 4], 9);
    this.shirt = new THREE.MeshStandardMaterial({ color: "#b9b6ae", roughness: 0.85, bumpMap: folds, bumpScale: 1.2 });
    this.skin = new THREE.MeshPhysicalMaterial({ color: "#9a6a52", roughness: 0.6 });
    this.cloth = new THREE.MeshStandardMaterial({ map: waistcoat(), roughness: 0.72 });
    this.pose(POSES.idle);
  }

  pose(pose) {
    this.group.clear();
    this.body = new THREE.Group();
    this.body.rotation.set(pose.bow, pose.lean, pose.turn * 0.5, "ZYX");
    this.group.add(this.body);
    this.#torso();
    this.body.updateMatrixWorld(true);
    for (const side of [-1, 1]) this.#arm(side, pose);
    this.group.traverse((part) => {
      part.castShadow = part.receiveShadow = true;
    });
  }

  #torso() {
    const outline = [
      [128, -120], [134, -40], [126, 60], [129, 150], [142, 260], [160, 360], [172, 440],
      [174, 490], [164, 530], [136, 562], [96, 584], [62, 596], [56, 606],
    ];
    const curve = new THREE.SplineCurve(outline.map(([r, z]) => new THREE.Vector2(r, z)));
    const geometry = new THREE.LatheGeometry(curve.getPoints(60), 96);
    geometry.rotateX(Math.PI / 2);
    geometry.rotateZ(Math.PI);
    const torso = new THREE.Mesh(geometry, this.cloth);
    torso.scale.set(1.06, 0.66, 1);
    torso.position.z = -8;
    this.body.add(torso);
    this.body.add(limb(new THREE.Vector3(0, 8, 575), new THREE.Vector3(0, -4, 668), [54, 50], this.skin));
    this.body.add(ball(new THREE.Vector3(0, -16, 742), 88, this.skin, [0.86, 1.02, 1.16]));
    const hair = new THREE.MeshStandardMaterial({ color: "#14100e", roughness: 0.6 });
    this.body.add(ball(new THREE.Vector3(0, 14, 764), 98, hair, [0.92, 1, 1.1]));
    const collar = new THREE.Mesh(new THREE.TorusGeometry(57, 9, 16, 64), this.shirt);
    collar.scale.set(1, 0.82, 1.5);
    collar.position.set(0, 4, 598);
    collar.rotation.x = 0.22;
    this.body.add(collar, ...this.#tie());
  }

  #tie() {
    const silk = new THREE.MeshStandardMaterial({ color: "#0b0f12", roughness: 0.42 });
    const parts = [-1, 1].map((side) => {
      const wing = ball(new THREE.Vector3(side * 27, -58, 578), 21, silk, [1.15, 0.5, 0.72]);
      wing.rotation.y = side * 0.22;
      return wing;
    });
    parts.push(ball(new THREE.Vector3(0, -63, 578), 9, silk));
    const pin = new THREE.MeshStandardMaterial({ color: LAMP, metalness: 0.9, roughness: 0.3 });
    parts.push(ball(new THREE.Vector3(-72, -104, 470), 6, pin, [1, 0.5, 1]));
    return parts;
  }

  /** Two bones to the wrist; the elbow points outward, back and down. */
  #arm(side, pose) {
    const shoulder = new THREE.Vector3(side * SHOULDER.x, SHOULDER.y, SHOULDER.z);
    shoulder.applyMatrix4(this.body.matrix);
    const wrist = new THREE.Vector3(...(side < 0 ? pose.left : pose.right));
    const way = new THREE.Vector3().subVectors(wrist, shoulder);
    const reach = Math.min(way.length(), UPPER_MM + FORE_MM - 2);
    const straight = way.clone().normalize();
    wrist.copy(shoulder).addScaledVector(straight, reach);
    const along = (UPPER_MM ** 2 - FORE_MM ** 2 + reach ** 2) / (2 * reach);
    const out = Math.sqrt(Math.max(UPPER_MM ** 2 - along ** 2, 0));
    const pole = new THREE.Vector3(side * 1.0, 0.4, -0.3);
    pole.addScaledVector(straight, -pole.dot(straight)).normalize();
    const elbow = shoulder.clone().addScaledVector(straight, along).addScaledVector(pole, out);
    const sleeve = this.shirt;
    this.group.add(ball(shoulder, 58, sleeve, [1, 0.92, 0.95]));
    this.group.add(limb(shoulder, elbow, [57, 45], sleeve), ball(elbow, 46, sleeve));
    const cuff = elbow.clone().lerp(wrist, 0.9);
    this.group.add(limb(elbow, cuff, [46, 34], sleeve));
    this.group.add(limb(elbow.clone().lerp(wrist, 0.84), elbow.clone().lerp(wrist, 0.93), [37, 36], sleeve));
    this.group.add(limb(cuff, wrist, [25, 23], this.skin));
    this.#hand(side, wrist, new THREE.Vector3().subVectors(wrist, elbow), pose.palm);
  }

  #hand(side, wrist, way, palm) {
    const hand = new THREE.Group();
    const forward = way.clone().setZ(way.z * 0.35).normalize();
    const lateral = new THREE.Vector3().crossVectors(forward, new THREE.Vector3(0, 0, 1)).normalize();
    const up = new THREE.Vector3().crossVectors(lateral, forward);
    hand.matrixAutoUpdate = false;
    hand.matrix.makeBasis(lateral, forward, up).setPosition(wrist);
    const turned = new THREE.Group();
    turned.rotation.y = -side * palm * 2.4;
    const skin = this.skin;
    turned.add(ball(new THREE.Vector3(0, 42, 0), 40, skin, [0.98, 1.08, 0.42]));
    [-27, -9, 9, 27].forEach((x, index) => {
      const long = [56, 66, 64, 52][side < 0 ? 3 - index : index];
      const knuckle = new THREE.Vector3(x * 0.95, 72, 0);
      const middle = new THREE.Vector3(x * 1.08, 72 + long * 0.55, -3);
      const tip = new THREE.Vector3(x * 1.12, 72 + long, -15);
      turned.add(limb(knuckle, middle, [11, 9.4], skin), ball(middle, 9.4, skin));
      turned.add(limb(middle, tip, [9.4, 7.4], skin), ball(tip, 7.4, skin));
    });
    const root = new THREE.Vector3(side * 28, 26, -4);
    const thumb = new THREE.Vector3(side * 58, 70, -10);
    turned.add(limb(root, thumb, [15, 9.6], skin), ball(thumb, 9.6, skin));
    hand.add(turned);
    this.group.add(hand);
  }
}
