"use strict";
// Files, explorers and Bokeh lie in the page as gzip in base64; they are unpacked when asked for.
const packed = new Map([...document.querySelectorAll("script[data-name]")].map((s) => [s.dataset.name, s]));

async function unpack(name) {
  const letters = atob(packed.get(name).textContent);
  const bytes = Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")));
}

function say(words) {
  document.getElementById("status").textContent = words;
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

async function content(link) {
  const { packed: name, kind, picture } = link.dataset;
  if (name) return new Blob([await (await unpack(name)).arrayBuffer()], { type: kind });
  return (await fetch(document.querySelector(`#${picture} img`).src)).blob();
}

for (const link of document.querySelectorAll("a[data-packed], a[data-picture]")) {
  link.addEventListener("click", async (event) => {
    event.preventDefault();
    save(await content(link), link.download);
  });
}

let bokeh;
function load() {
  bokeh ??= unpack("bokeh").then(async (response) => {
    const script = document.createElement("script");
    script.textContent = await response.text();
    document.head.append(script);
  });
  return bokeh;
}

for (const button of document.querySelectorAll("button[data-explore]")) {
  const name = button.dataset.explore;
  const place = document.getElementById(`explorer-${name}`);
  const figure = document.getElementById(`figure-${name}`);
  let drawn = false;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const open = place.hidden;
    button.setAttribute("aria-expanded", String(open));
    button.textContent = open ? "Show the print" : "Explore";
    figure.classList.toggle("exploring", open);
    place.hidden = !open;
    if (!open || drawn) return;
    drawn = true;
    say("Loading the explorer");
    await load();
    await Bokeh.embed.embed_item(await (await unpack(`explorer/${name}`)).json(), place.id);
    say("The explorer is there: point at it to read, drag to move, scroll to zoom");
  });
}

// Paper has no folds; browsers that can't print closed ones get them open.
const folds = [...document.querySelectorAll("details")];
let closed = [];
addEventListener("beforeprint", () => {
  closed = folds.filter((fold) => !fold.open);
  for (const fold of closed) fold.open = true;
});
addEventListener("afterprint", () => {
  for (const fold of closed) fold.open = false;
});

addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const box of document.querySelectorAll(".zoom input:checked")) box.checked = false;
});
