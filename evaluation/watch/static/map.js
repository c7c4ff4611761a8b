// The world from above with the path walked: a ring where it began, an arrow where the student is.

const RING = "#39d98a", HEAD = "#ff5d47", PATH = "#ffd23f"; // seen on grass, sand and snow
const SIDE = 640; // twice the layout's pixels are enough for any screen, and a fixed size keeps resizing free
const SIZE = 22, MARGIN = 28; // of the arrow, from its middle; around the world: at its edge too, the arrow is whole

function line(context, points, colour, width) {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.beginPath();
  points.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
  context.stroke();
}

function arrow(context, [x, y], headingDeg, size) {
  context.save();
  context.translate(x, y);
  context.rotate((headingDeg * Math.PI) / 180);
  context.beginPath();
  context.moveTo(0, -size);
  context.lineTo(size * 0.7, size * 0.75);
  context.lineTo(0, size * 0.35);
  context.lineTo(-size * 0.7, size * 0.75);
  context.closePath();
  context.fillStyle = HEAD;
  context.fill();
  context.strokeStyle = "#fff";
  context.lineWidth = size * 0.18;
  context.stroke();
  context.restore();
}

let drawn = 0;

export async function drawMap(canvas, scene) {
  const turn = ++drawn;
  const image = new Image();
  image.src = scene.above;
  await image.decode();
  if (turn !== drawn) return; // a later state was quicker
  const scale = (SIDE - 2 * MARGIN) / Math.max(image.naturalWidth, image.naturalHeight);
  const width = Math.round(image.naturalWidth * scale), height = Math.round(image.naturalHeight * scale);
  canvas.width = width + 2 * MARGIN;
  canvas.height = height + 2 * MARGIN;
  canvas.style.aspectRatio = `${canvas.width} / ${canvas.height}`;
  const context = canvas.getContext("2d");
  context.translate(MARGIN, MARGIN);
  context.imageSmoothingEnabled = false;
  context.drawImage(image, 0, 0, width, height);
  const points = scene.path_xy.map(([x, y]) => [x * scale, y * scale]);
  context.lineJoin = context.lineCap = "round";
  line(context, points, "rgba(0,0,0,.7)", 11);
  line(context, points, PATH, 5);
  context.fillStyle = PATH;
  for (const [x, y] of points) {
    context.beginPath();
    context.arc(x, y, 5, 0, 7);
    context.fill();
  }
  context.beginPath();
  context.arc(points[0][0], points[0][1], 13, 0, 7);
  context.lineWidth = 5;
  context.strokeStyle = RING;
  context.stroke();
  arrow(context, points[points.length - 1], scene.heading_deg, SIZE);
  const [x, y] = scene.path_xy[scene.path_xy.length - 1].map(Math.round);
  canvas.setAttribute("aria-label",
    `Map from above: after ${scene.decisions} decisions at ${x}, ${y}, facing ${scene.heading}`);
}
