// The page of a result: the viewer, copying, sifting of metadata, the way back. All else needs no script.
"use strict";
(function () {
  const by = (id) => document.getElementById(id);

  function leadBack() {
    try {
      const hash = sessionStorage.getItem("scatterflow.list") || "";
      if (hash.startsWith("#?")) by("back").hash = hash;
    } catch {
      // Storage may be forbidden; the whole list is a way back, too.
    }
  }

  function openViewer(button) {
    const query = new URLSearchParams({ file: new URL(button.dataset.file, location.href).pathname });
    const frame = document.createElement("iframe");
    frame.src = `${by("openers").dataset.viewer}?${query}`;
    frame.title = `Viewer: ${button.dataset.name}`;
    by("frame").replaceChildren(frame);
    for (const other of by("openers").children) other.setAttribute("aria-pressed", String(other === button));
  }

  function prepareViewer() {
    const buttons = by("openers")?.children || [];
    if (buttons.length && location.protocol === "file:") {
      by("viewer-note").textContent =
        "Browsers let a page that was opened as a file read no other file. The viewer needs a web server: " +
        "make portal starts one, and any server of plain files will do.";
      by("openers").remove();
      return;
    }
    for (const button of buttons) button.addEventListener("click", () => openViewer(button));
  }

  async function copy(button) {
    const text = by(button.dataset.copies).textContent;
    let done = true;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Without the clipboard (no https, or forbidden) the text is selected, ready for the keyboard.
      getSelection().selectAllChildren(by(button.dataset.copies));
      done = false;
    }
    by("copied").textContent = done ? "Copied." : "Selected: copy it with the keyboard.";
    button.textContent = done ? "Copied" : "Selected";
    setTimeout(() => (button.textContent = "Copy"), 2000);
  }

  function sift() {
    const wanted = by("sift").value.toLowerCase();
    for (const row of by("raw").tBodies[0].rows) {
      row.hidden = !row.textContent.toLowerCase().includes(wanted);
    }
  }

  leadBack();
  prepareViewer();
  for (const button of document.querySelectorAll("button.copy")) {
    button.addEventListener("click", () => copy(button));
  }
  by("sift")?.addEventListener("input", sift);
})();
