// Where the page starts: paint first, then wake the engine.

import { render } from "preact";
import "./styles/base.css";
import "./styles/parts.css";
import "./styles/result.css";
import "./styles/table.css";
import "./styles/streams.css";
import "./styles/history.css";
import "./styles/workspace.css";
import "./styles/compare.css";
import "./styles/media.css";
import { listen } from "./state/keys";
import { readLink } from "./state/link";
import { startEngine } from "./state/ready";
import { App } from "./view/app";

const root = document.getElementById("app");
if (root !== null) {
  render(<App />, root);
  listen();
  readLink();
  addEventListener("hashchange", readLink);
  // The engine's text stands behind this script in the file.
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", () => void startEngine());
  else void startEngine();
}
