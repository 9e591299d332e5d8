/** Dresses the tests' page as the real one. */
import "@/app/tokens.css";
import "@/app/base.css";

import { cleanup, configure } from "@testing-library/react";
import { afterEach } from "vitest";

// As long as the tests' own polls: only what hangs is too slow.
configure({ asyncUtilTimeout: 30_000 });
afterEach(cleanup);
