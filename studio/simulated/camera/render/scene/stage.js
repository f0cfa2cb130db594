// Renders one picture, or a rectangle of it, at four samples per pixel times a grid of pixels.

import * as THREE from "three";
import { RoomEnvironment } from "three/addons/environments/RoomEnvironment.js";
import * as measures from "./measures.js";
import { between, POSES, Presenter } from "./presenter.js";
import { CLOCK, Room, SIGN, WALL_Y } from "./room.js";
import { Wheel } from "./wheel.js";

export const WIDTH = 960;
export const HEIGHT = 540;
const PRESENTER_AT = [640, 790, 0];

/** Positions of the camera: eye and target in mm, vertical field of view in degrees. */
const VIEWS = {
  wide: { eye: [560, -1850, 1190], target: [560, 140, 105], fov: 32 },
  near: { eye: [0, -1010, 1085], target: [0, -14, 62], fov: 33.5 },
  close: { eye: [0, -720, 800], target: [0, -20, 45], fov: 30.6 },
};

const AVERAGE = {
  vertexShader: "varying vec2 at; void main() { at = uv; gl_Position = vec4(position.xy, 0.0, 1.0); }",
  fragmentShader: `
    #include <tonemapping_pars_fragment>
    uniform sampler2D map; uniform vec2 texel; varying vec2 at;
    vec3 shown(vec2 where) { return NeutralToneMapping(texture2D(map, where).rgb); }
    void main() {
      vec2 half_ = texel * 0.5;
      vec3 sum = vec3(0.0);
      for (int y = -1; y <= 1; y += 2) for (int x = -1; x <= 1; x += 2)
        sum += sRGBTransferOETF(vec4(shown(at + half_ * vec2(float(x), float(y))), 1.0)).rgb;
      gl_FragColor = vec4(sum * 0.25, 1.0);
    }`,
};

export class Stage {
  constructor() {
    this.renderer = new THREE.WebGLRenderer({ preserveDrawingBuffer: true, antialias: false });
    this.renderer.shadowMap.enabled = true;
    this.renderer.shadowMap.autoUpdate = false;
    this.renderer.shadowMap.type = THREE.PCFShadowMap;
    this.renderer.toneMappingExposure = 1;
    this.renderer.outputColorSpace = THREE.LinearSRGBColorSpace;
    this.scene = new THREE.Scene();
    this.scene.background = new THREE.Color("#04090b");
    const blur = new THREE.PMREMGenerator(this.renderer);
    this.scene.environment = blur.fromScene(new RoomEnvironment(), 0.03).texture;
    this.scene.environmentRotation.set(Math.PI / 2, 0, 0);
    this.scene.environmentIntensity = 0.3;
    this.wheel = new Wheel();
    this.room = new Room();
    this.presenter = new Presenter(PRESENTER_AT);
    this.scene.add(this.wheel.group, this.room.group, this.presenter.group);
    this.camera = new THREE.PerspectiveCamera(30, WIDTH / HEIGHT, 100, 9000);
    this.camera.up.set(0, 0, 1);
    this.quad = new THREE.Mesh(
      new THREE.PlaneGeometry(2, 2),
      new THREE.ShaderMaterial({
        ...AVERAGE,
        toneMapped: false,
        uniforms: {
          map: { value: null },
          texel: { value: new THREE.Vector2() },
          toneMappingExposure: { value: 1 },
        },
      }),
    );
    this.flat = new THREE.OrthographicCamera(-1, 1, 1, -1, 0, 1);
    this.targets = new Map();
  }

  /** Sets the view; returns the row-major 3x4 matrix from mm to pixels (times depth). */
  look(view) {
    const { eye, target, fov } = VIEWS[view];
    this.camera.clearViewOffset();
    this.camera.fov = fov;
    this.camera.position.set(...eye);
    this.camera.lookAt(...target);
    this.camera.updateProjectionMatrix();
    this.camera.updateMatrixWorld(true);
    const clip = new THREE.Matrix4().multiplyMatrices(
      this.camera.projectionMatrix, this.camera.matrixWorldInverse,
    );
    const row = (index) => [0, 4, 8, 12].map((column) => clip.elements[column + index]);
    const [x, y, , w] = [row(0), row(1), row(2), row(3)];
    return [
      w.map((value, index) => (value + x[index]) * (WIDTH / 2)),
      w.map((value, index) => (value - y[index]) * (HEIGHT / 2)),
      w,
    ];
  }

  /** A PNG (data URL) of `rect` [x, y, width, height] of the view. */
  picture({
    view, rect = [0, 0, WIDTH, HEIGHT], wheel = {}, gesture = null, lit = false, mask = false,
    only = null, shadows = true,
  }) {
    this.look(view);
    this.wheel.pose(wheel);
    this.room.light(lit);
    this.#show(only);
    this.renderer.shadowMap.needsUpdate = shadows;
    this.presenter.group.visible = gesture !== null;
    if (gesture) {
      const [from, to, part] = gesture;
      this.presenter.pose(between(POSES[from], POSES[to], part));
    }
    if (mask) this.#masked();
    const url = this.#render(rect);
    if (mask) this.#unmask();
    return url;
  }

  /** Leave out what a picture of the pockets or of the turret alone does not show. */
  #show(only) {
    this.room.things.visible = only === null;
    for (const light of this.room.far) light.visible = only === null;
    this.wheel.bowl.visible = only !== "turret";
    this.wheel.plain(only === "pockets");
  }

  #render([x, y, width, height]) {
    this.camera.setViewOffset(WIDTH, HEIGHT, x, y, width, height);
    const target = this.#target(width * 2, height * 2);
    this.renderer.setRenderTarget(target);
    this.renderer.render(this.scene, this.camera);
    this.renderer.setRenderTarget(null);
    this.renderer.setSize(width, height, false);
    const { uniforms } = this.quad.material;
    uniforms.map.value = target.texture;
    uniforms.texel.value.set(1 / (width * 2), 1 / (height * 2));
    this.renderer.render(this.quad, this.flat);
    return this.renderer.domElement.toDataURL("image/png");
  }

  #target(width, height) {
    const key = `${width}x${height}`;
    if (!this.targets.has(key)) {
      this.targets.set(key, new THREE.WebGLRenderTarget(width, height, {
        type: THREE.HalfFloatType, samples: 4,
      }));
    }
    return this.targets.get(key);
  }

  /** Everything black but the presenter, who is white: how much of a pixel she covers. */
  #masked() {
    const black = new THREE.MeshBasicMaterial({ color: "#000" });
    const white = new THREE.MeshBasicMaterial({ color: new THREE.Color(60, 60, 60) });
    this.kept = [];
    this.scene.traverse((part) => {
      if (!part.isMesh) return;
      this.kept.push([part, part.material]);
      part.material = black;
    });
    this.presenter.group.traverse((part) => {
      if (part.isMesh) part.material = white;
    });
    this.scene.background.set("#000");
  }

  #unmask() {
    for (const [part, material] of this.kept) part.material = material;
    this.scene.background.set("#04090b");
  }
}

/** What Python must know to draw into the pictures. */
export function facts(stage) {
  const matrices = {};
  for (const view of Object.keys(VIEWS)) {
    matrices[view] = { eye_mm: VIEWS[view].eye, matrix: stage.look(view) };
  }
  return {
    size: [WIDTH, HEIGHT],
    views: matrices,
    profile_mm: measures.profile(),
    ball_mm: measures.BALL_MM,
    ring: measures.RING,
    floor: measures.FLOOR,
    arm: measures.ARM,
    wall_y_mm: WALL_Y,
    sign_mm: SIGN,
    clock_mm: CLOCK,
  };
}
