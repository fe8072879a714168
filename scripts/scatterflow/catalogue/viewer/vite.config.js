// One script, one style sheet, addresses relative to the page: any server of plain files will do.
// Vite 6 is the last that runs with the node 18 of Debian 12.
import { fileURLToPath } from "node:url";

const arrays = fileURLToPath(new URL("./src/arrays.js", import.meta.url));

export default {
  base: "./",
  esbuild: { jsx: "automatic" },
  // These packages compile their loops from text at run time, which the page's policy forbids.
  resolve: { alias: { ndarray: arrays, "ndarray-ops": arrays } },
  build: {
    target: "es2022",
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 8000, // HDF5 as WebAssembly is most of it
    rollupOptions: {
      onwarn(warning, warn) {
        if (warning.code !== "MODULE_LEVEL_DIRECTIVE") warn(warning);
      },
    },
  },
};
