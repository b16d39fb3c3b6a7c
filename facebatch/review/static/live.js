// Whom the camera sees now; the key N; and the browser's own camera, where that is the source.
"use strict";

const main = document.getElementById("main");
const faces = document.getElementById("faces");
const video = document.getElementById("camera");

// Says whether the program answers, and lets this page in.
function tell(answer) {
  document.getElementById("ended").hidden = Boolean(answer);
  const isShut = answer && (answer.type === "opaqueredirect" || [401, 403].includes(answer.status));
  document.getElementById("shut").hidden = !isShut;
}

// A list that somebody types in stays as it is.
async function refresh() {
  let wait = 400;
  try {
    const answer = await fetch("/live/faces", { redirect: "manual" });
    const text = answer.ok ? await answer.text() : null;
    tell(answer);
    const isTyping = faces.contains(document.activeElement) && document.activeElement.value;
    if (text !== null && text !== faces.dataset.shown && !isTyping) {
      const id = faces.contains(document.activeElement) ? document.activeElement.id : "";
      faces.innerHTML = text;
      faces.dataset.shown = text;
      const again = id && document.getElementById(id);
      if (again) again.focus();
    }
  } catch {
    tell(null);
    wait = 5000;
  }
  setTimeout(refresh, wait);
}
setTimeout(refresh, 400);

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.key === "Escape") document.activeElement.blur();
  if (event.key.toLowerCase() !== "n" || event.target.matches("input")) return;
  const field = faces.querySelector("input[name=name]");
  if (field) {
    field.focus();
    event.preventDefault();
  }
});

async function send() {
  const canvas = document.createElement("canvas");
  const scale = Math.min(1, 1280 / video.videoWidth);
  canvas.width = Math.round(video.videoWidth * scale);
  canvas.height = Math.round(video.videoHeight * scale);
  const pen = canvas.getContext("2d");
  for (;;) {
    pen.drawImage(video, 0, 0, canvas.width, canvas.height);
    let wait;
    const picture = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.85));
    try {
      const answer = await fetch("/live/frame", {
        method: "POST", body: picture, headers: { "x-csrf": main.dataset.csrf },
      });
      wait = answer.ok ? 30 : 1000; // what is wrong is said by the list of faces
    } catch {
      wait = 5000;
    }
    await new Promise((done) => setTimeout(done, wait));
  }
}

async function watch() {
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({
      video: { width: { ideal: 1280 } }, audio: false,
    });
    await video.play();
  } catch {
    document.getElementById("refused").hidden = false;
    return;
  }
  send();
}
if (main.hasAttribute("data-camera")) watch();
