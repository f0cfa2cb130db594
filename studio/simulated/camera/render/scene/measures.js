// Measures of the wheel in millimetres, z up, origin on the cloth under the wheel's centre. The radii
// are those of studio/simulated/trajectory.py: ball track 385, deflectors 330, rotor edge 265,
// resting ball 225.

export const BALL_MM = 9.5;
export const POCKETS = 37;
export const PITCH = (2 * Math.PI) / POCKETS;

/** The bowl from its outer foot over the rim and the ball track to the gap at the rotor. */
export const BOWL = [
  [436, 0],
  [446, 18],
  [449, 60],
  [446, 100],
  [438, 117],
  [427, 123],
  [416, 123],
  [407, 119],
  [402, 113],
  [398, 104],
  [391, 99],
  [383, 98],
  [375, 100],
  [368, 98],
  [330, 81],
  [290, 63],
  [274, 56],
  [271, 50],
];

/** The number ring, from its outer to its inner edge: a cone that leans towards the centre. */
export const RING = { outer: [270, 55], inner: [241, 50] };

/** The pockets' floor, its outer and inner radius, and the separators' upper edge. */
export const FLOOR = { outer: 241, inner: 208, z: 36, fretZ: 48, fretMm: 2.2 };

/** From the pockets' inner wall up the cone to the turret. */
export const CONE = [
  [208, 36],
  [208, 51],
  [204, 54],
  [150, 66],
  [90, 76],
  [58, 80],
];
export const TURRET = [
  [58, 80],
  [56, 84],
  [44, 87],
  [27, 92],
  [19, 99],
  [17, 106],
  [23, 113],
  [25, 119],
  [21, 125],
  [12, 130],
  [9, 136],
  [11, 141],
  [8, 147],
  [0.01, 150],
];
export const ARM = { z: 116, reach: 66, tipMm: 7 };

export const CLOTH_COLOUR = "#0B3A3E";
export const LINE_COLOUR = "#7FB0AD";
export const CREAM = "#F1EBDC";
export const RED = "#A5271F";
export const BLACK = "#0C1315";
export const GREEN = "#0E6347";
export const LAMP = "#F2B544";

/** radius → height of everything that can hide a ball, outermost first; for Python. */
export function profile() {
  const pockets = [RING.outer, RING.inner, [241, 36], ...CONE];
  return [...BOWL.slice(3), ...pockets, ...TURRET.slice(1)];
}
