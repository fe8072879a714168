// The viewer: h5web draws what h5wasm reads from an HDF5 file. ?file= names a file of this site; without it
// a file of this computer can be chosen, which never leaves it.
import "@h5web/app/styles.css";
import "./viewer.css";

import { App } from "@h5web/app";
import { H5WasmBufferProvider, H5WasmLocalFileProvider } from "@h5web/h5wasm";
import { useState } from "react";
import { createRoot } from "react-dom/client";

const ENDINGS = /\.(nxs|h5|hdf|hdf5)$/;

function ownFile(address) {
  const url = new URL(address, location.href);
  if (url.origin !== location.origin || !ENDINGS.test(url.pathname)) {
    throw new Error("The viewer opens HDF5 files of this site only.");
  }
  return url;
}

async function fetched(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`The file could not be loaded: ${answer.status} ${answer.statusText}`);
  return answer.arrayBuffer();
}

function LocalFile() {
  const [file, setFile] = useState(null);
  if (file === null) {
    return (
      <label className="message">
        Open an HDF5 file of this computer; it is not sent anywhere.
        <input type="file" accept=".nxs,.h5,.hdf,.hdf5" onChange={(event) => setFile(event.target.files[0] ?? null)} />
      </label>
    );
  }
  return (
    <H5WasmLocalFileProvider file={file}>
      <App />
    </H5WasmLocalFileProvider>
  );
}

async function view() {
  const query = new URLSearchParams(location.search);
  if (!query.has("file")) return <LocalFile />;
  const url = ownFile(query.get("file"));
  const name = decodeURIComponent(url.pathname.split("/").pop());
  document.title = `${name} – scatterflow`;
  const buffer = await fetched(url);
  return (
    <H5WasmBufferProvider filename={name} buffer={buffer}>
      <App sidebarOpen={innerWidth > 700} />
    </H5WasmBufferProvider>
  );
}

createRoot(document.getElementById("viewer")).render(
  await view().catch((error) => (
    <p className="message" role="alert">
      {String(error.message)}
    </p>
  )),
);
