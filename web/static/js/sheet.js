// On a phone the panel is a sheet over the map: drag its handle, or press it, for three heights.
const SIZES = ["peek", "half", "full"];

export function start(panel) {
  const handle = panel.querySelector(".handle");
  const set = (size) => { panel.dataset.size = size; panel.style.height = ""; };
  let from = null;
  let moved = false;
  handle.addEventListener("pointerdown", (event) => {
    from = { y: event.clientY, height: panel.offsetHeight };
    moved = false;
    handle.setPointerCapture(event.pointerId);
    panel.classList.add("dragging");
  });
  handle.addEventListener("pointermove", (event) => {
    if (!from) return;
    const by = from.y - event.clientY;
    moved ||= Math.abs(by) > 5;
    if (moved) panel.style.height = `${from.height + by}px`;
  });
  const end = () => {
    if (!from) return;
    panel.classList.remove("dragging");
    if (moved) {
      const share = panel.offsetHeight / panel.parentElement.offsetHeight;
      set(share < 0.28 ? "peek" : share < 0.7 ? "half" : "full");
    }
    from = null;
  };
  handle.addEventListener("pointerup", end);
  handle.addEventListener("pointercancel", end);
  handle.addEventListener("click", () => { if (!moved) set(SIZES[(SIZES.indexOf(panel.dataset.size) + 1) % SIZES.length]); });
  return set;
}
