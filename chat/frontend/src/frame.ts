/** One DOM write per animation frame: whoever has something to draw asks once and is called once. */

const waiting = new Set<() => void>();
let requested = 0;

export function drawSoon(draw: () => void): void {
  waiting.add(draw);
  if (!requested) requested = requestAnimationFrame(run);
}

function run(): void {
  requested = 0;
  const now = [...waiting];
  waiting.clear();
  for (const draw of now) draw();
  for (const after of afterwards) after();
}

const afterwards: (() => void)[] = [];

/** Called after every frame that drew something: following the end of the thread, for one. */
export function afterDrawing(then: () => void): void {
  afterwards.push(then);
}
