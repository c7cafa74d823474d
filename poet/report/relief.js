// Courses with a breadth, as maps from above: tinted by height, shaded by a light from the upper left.

const TINTS = [[52, 84, 98], [66, 112, 104], [92, 138, 96], [134, 164, 98], [178, 178, 110], [192, 156, 104], [176, 128, 98], [226, 220, 214]];
const LEAST_SPAN = 0.5; // m between the lowest and the highest tint, at least
const LIGHT = [0.35, 0.25]; // brightness lost for a metre's rise over a metre, along x and y

function readRelief(packed) {
  const [rows, columns] = packed.shape;
  return { ...packed, heights: unpack(packed.heights, packed.unit), rows, columns, picture: null };
}

// One pixel a height; x runs to the right and y up.
function mapOf(relief) {
  if (relief.picture) return relief.picture;
  const { heights, rows, columns, cell } = relief;
  let low = Infinity, high = -Infinity;
  for (const height of heights) { low = Math.min(low, height); high = Math.max(high, height); }
  const span = Math.max(high - low, LEAST_SPAN), middle = (high + low) / 2;
  const picture = document.createElement("canvas");
  picture.width = rows;
  picture.height = columns;
  const context = picture.getContext("2d"), image = context.createImageData(rows, columns);
  const at = (i, j) => heights[Math.min(i, rows - 1) * columns + Math.min(j, columns - 1)];
  for (let i = 0; i < rows; i += 1) {
    for (let j = 0; j < columns; j += 1) {
      const share = ((at(i, j) - middle) / span + 0.5) * (TINTS.length - 1);
      const below = Math.max(Math.min(Math.floor(share), TINTS.length - 2), 0), part = share - below;
      const slope = (LIGHT[0] * (at(i + 1, j) - at(i, j)) - LIGHT[1] * (at(i, j + 1) - at(i, j))) / cell;
      const light = Math.max(0.45, Math.min(1.25, 1 + slope));
      const pixel = 4 * ((columns - 1 - j) * rows + i);
      for (let channel = 0; channel < 3; channel += 1) {
        image.data[pixel + channel] = light * (TINTS[below][channel] * (1 - part) + TINTS[below + 1][channel] * part);
      }
      image.data[pixel + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
  relief.picture = picture;
  return picture;
}

// The whole map in a box, to scale.
function paintMap(context, relief, left, top, width, height) {
  const picture = mapOf(relief);
  const scale = Math.min(width / picture.width, height / picture.height);
  const across = picture.width * scale, up = picture.height * scale;
  context.imageSmoothingEnabled = true;
  context.drawImage(picture, left + (width - across) / 2, top + (height - up) / 2, across, up);
}

// Heights along x at a distance y from the middle: pairs of x and height.
function profileOf(relief, y) {
  const column = Math.max(0, Math.min(relief.columns - 1, Math.round((y - relief.start[1]) / relief.cell)));
  const ground = new Float32Array(2 * relief.rows);
  for (let i = 0; i < relief.rows; i += 1) {
    ground[2 * i] = relief.start[0] + i * relief.cell;
    ground[2 * i + 1] = relief.heights[i * relief.columns + column];
  }
  return ground;
}
