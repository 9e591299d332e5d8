/** The gallery's own page, served by the development server at /gallery.html. */
import "@/app/tokens.css";
import "@/app/base.css";

import { createRoot } from "react-dom/client";

import { Gallery } from "./gallery";

const root = document.querySelector("#root");
if (root === null) throw new Error("gallery.html has no #root");
// One of its cases fails on purpose.
createRoot(root, { onCaughtError: () => {} }).render(<Gallery />);
