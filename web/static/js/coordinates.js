// VN-2000 in the browser: WGS84 longitude/latitude ↔ plane coordinates of a transverse Mercator zone.
// Source of the shift: QĐ 05/2007/QĐ-BTNMT = EPSG:6960 (seven parameters; the rotations below have coordinate-frame signs); both ellipsoids are WGS84's.
// Projection: Krüger series to the sixth order, exact to far below a millimetre within a zone.

const A = 6378137;
const F = 1 / 298.257223563;
const E2 = F * (2 - F);
const N = F / (2 - F);
const RADIUS = (A / (1 + N)) * (1 + N ** 2 / 4 + N ** 4 / 64);
const ALPHA = [N / 2 - (2 * N ** 2) / 3 + (5 * N ** 3) / 16, (13 * N ** 2) / 48 - (3 * N ** 3) / 5, (61 * N ** 3) / 240];
const BETA = [N / 2 - (2 * N ** 2) / 3 + (37 * N ** 3) / 96, N ** 2 / 48 + N ** 3 / 15, (17 * N ** 3) / 480];
const DEG = Math.PI / 180;
const SECOND = DEG / 3600;
const SHIFT = { x: -191.90441429, y: -39.30318279, z: -111.45032835, rx: -0.00928836 * SECOND, ry: 0.01975479 * SECOND, rz: -0.00427372 * SECOND, s: 0.252906278e-6 };

function geocentric([longitude, latitude]) {
  const lon = longitude * DEG;
  const lat = latitude * DEG;
  const v = A / Math.sqrt(1 - E2 * Math.sin(lat) ** 2);
  return [v * Math.cos(lat) * Math.cos(lon), v * Math.cos(lat) * Math.sin(lon), v * (1 - E2) * Math.sin(lat)];
}

function geographic([x, y, z]) {
  const p = Math.hypot(x, y);
  let lat = Math.atan2(z, p * (1 - E2));
  for (let turn = 0; turn < 6; turn += 1) {
    const v = A / Math.sqrt(1 - E2 * Math.sin(lat) ** 2);
    lat = Math.atan2(z + E2 * v * Math.sin(lat), p);
  }
  return [Math.atan2(y, x) / DEG, lat / DEG];
}

// VN-2000 → WGS84, coordinate-frame form of the published pipeline.
function toWgs84Cartesian([x, y, z]) {
  const { rx, ry, rz } = SHIFT;
  const m = 1 + SHIFT.s;
  return [SHIFT.x + m * (x + rz * y - ry * z), SHIFT.y + m * (-rz * x + y + rx * z), SHIFT.z + m * (ry * x - rx * y + z)];
}

function toVn2000Cartesian(target) {
  // The inverse by fixed point: the rotation is of the order of 1e-7, so three turns are exact.
  let guess = target.slice();
  for (let turn = 0; turn < 4; turn += 1) {
    const there = toWgs84Cartesian(guess);
    guess = guess.map((value, axis) => value + target[axis] - there[axis]);
  }
  return guess;
}

function project([longitude, latitude], zone) {
  const lon = (longitude - zone.central_meridian_deg) * DEG;
  const lat = latitude * DEG;
  const e = Math.sqrt(E2);
  const conformal = Math.sinh(Math.atanh(Math.sin(lat)) - e * Math.atanh(e * Math.sin(lat)));
  const xi = Math.atan2(conformal, Math.cos(lon));
  const eta = Math.asinh(Math.sin(lon) / Math.hypot(conformal, Math.cos(lon)));
  let north = xi;
  let east = eta;
  ALPHA.forEach((a, at) => { const k = 2 * (at + 1); north += a * Math.sin(k * xi) * Math.cosh(k * eta); east += a * Math.cos(k * xi) * Math.sinh(k * eta); });
  const scale = zone.scale_factor * RADIUS;
  return { e: zone.false_easting_m + scale * east, n: zone.false_northing_m + scale * north };
}

function unproject({ e, n }, zone) {
  const scale = zone.scale_factor * RADIUS;
  const xi = (n - zone.false_northing_m) / scale;
  const eta = (e - zone.false_easting_m) / scale;
  let xi2 = xi;
  let eta2 = eta;
  BETA.forEach((b, at) => { const k = 2 * (at + 1); xi2 -= b * Math.sin(k * xi) * Math.cosh(k * eta); eta2 -= b * Math.cos(k * xi) * Math.sinh(k * eta); });
  const lon = Math.atan2(Math.sinh(eta2), Math.cos(xi2));
  const target = Math.sin(xi2) / Math.hypot(Math.sinh(eta2), Math.cos(xi2));
  const ec = Math.sqrt(E2);
  let t = target;
  for (let turn = 0; turn < 6; turn += 1) {
    const sin = t / Math.hypot(1, t);
    const sigma = Math.sinh(ec * Math.atanh(ec * sin));
    const there = t * Math.hypot(1, sigma) - sigma * Math.hypot(1, t);
    t += ((target - there) / Math.hypot(1, there)) * ((1 + (1 - E2) * t * t) / ((1 - E2) * Math.hypot(1, t)));
  }
  return [zone.central_meridian_deg + lon / DEG, Math.atan(t) / DEG];
}

// Plane coordinates {e, n} in metres of a WGS84 [longitude, latitude]. On paper: X = n (bắc), Y = e (đông).
export function toZone(lonlat, zone) {
  return project(geographic(toVn2000Cartesian(geocentric(lonlat))), zone);
}

export function toLonLat(plane, zone) {
  return geographic(toWgs84Cartesian(geocentric(unproject(plane, zone))));
}

export function planeLength(points) {
  return points.slice(1).reduce((sum, point, at) => sum + Math.hypot(point.e - points[at].e, point.n - points[at].n), 0);
}

export function planeArea(points) {
  const twice = points.reduce((sum, point, at) => { const next = points[(at + 1) % points.length]; return sum + (point.e - points[0].e) * (next.n - points[0].n) - (next.e - points[0].e) * (point.n - points[0].n); }, 0);
  return Math.abs(twice) / 2;
}
