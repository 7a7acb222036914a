// Squares of EPSG:6933, the equal-area projection of the API's grid, as polygons of degrees.
// Formulas: Snyder, Map Projections: A Working Manual (1987), cylindrical equal-area, pages 81 to 83.
const SEMI_MAJOR = 6_378_137; // metres, WGS 84
const SQUARED = 0.0066943799901413165; // of the eccentricity
const ECCENTRICITY = Math.sqrt(SQUARED);
const RADIANS = Math.PI / 180;
// The standard parallel is 30°.
const SCALE = Math.cos(30 * RADIANS) / Math.sqrt(1 - SQUARED * Math.sin(30 * RADIANS) ** 2);

function reckonAuthalic(sine) {
  const part = ECCENTRICITY * sine;
  return (1 - SQUARED) * (sine / (1 - part ** 2) + Math.atanh(part) / ECCENTRICITY);
}

const POLE = (SEMI_MAJOR * reckonAuthalic(1)) / (2 * SCALE);

function projectLatitude(degrees) {
  return (SEMI_MAJOR * reckonAuthalic(Math.sin(degrees * RADIANS))) / (2 * SCALE);
}

/** By bisection: three of these a cell are not worth a faster way. */
function findLatitude(y) {
  if (Math.abs(y) >= POLE) return 90 * Math.sign(y);
  let [low, high] = [-90, 90];
  for (let i = 0; i < 40; i += 1) {
    const middle = (low + high) / 2;
    if (projectLatitude(middle) < y) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** The square of `cell` metres a side whose middle the Point `feature` is, with its properties. */
export function drawSquare(feature, cell) {
  const [lon, lat] = feature.geometry.coordinates;
  const half = cell / 2 / (SEMI_MAJOR * SCALE * RADIANS);
  const y = projectLatitude(lat);
  const [west, east] = [Math.max(lon - half, -180), Math.min(lon + half, 180)];
  const [south, north] = [findLatitude(y - cell / 2), findLatitude(y + cell / 2)];
  const ring = [[west, south], [east, south], [east, north], [west, north], [west, south]];
  return { type: "Feature", properties: feature.properties, geometry: { type: "Polygon", coordinates: [ring] } };
}
