import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { keepFocus } from "./kept-focus";

let stop = (): void => {};

function html(build: Record<string, string>): void {
  for (const [id, tag] of Object.entries(build)) {
    const [name = "div", parent = ""] = tag.split(" in ");
    const made = document.createElement(name);
    made.id = id;
    made.textContent = id;
    (document.querySelector(`#${parent || "none"}`) ?? document.body).append(made);
  }
}

beforeEach(() => {
  document.body.replaceChildren();
  html({
    panel: "nav",
    list: "ul in panel",
    one: "button in list",
    two: "button in list",
    main: "main",
    composer: "textarea in main",
    stop: "button in main",
  });
  stop = keepFocus();
});

afterEach(() => stop());

function element(id: string): HTMLElement {
  const found = document.querySelector<HTMLElement>(`#${id}`);
  if (found === null) throw new Error(`no #${id}`);
  return found;
}

describe("the focus", () => {
  it("goes to the composer when what has it vanishes from the talk", async () => {
    element("stop").focus();
    element("stop").remove();
    await expect.poll(() => document.activeElement?.id).toBe("composer");
  });

  it("goes to what is nearest elsewhere", async () => {
    element("two").focus();
    element("two").remove();
    await expect.poll(() => document.activeElement?.id).toBe("one");
    element("list").remove();
    await expect.poll(() => document.activeElement?.id).toBe("composer");
  });

  it("goes to the neighbour in a list, and past a list that is empty now", async () => {
    html({ three: "button in list", four: "button in list", below: "button in panel" });
    element("two").focus();
    element("two").remove();
    await expect.poll(() => document.activeElement?.id).toBe("three");
    element("four").focus();
    element("four").remove();
    await expect.poll(() => document.activeElement?.id).toBe("three");
    element("one").remove();
    element("three").remove();
    await expect.poll(() => document.activeElement?.id).toBe("below");
  });

  it("stays where the founder put it", async () => {
    element("one").focus();
    element("stop").remove();
    await new Promise(requestAnimationFrame);
    expect(document.activeElement?.id).toBe("one");
  });

  it("is left alone once nobody had it", async () => {
    element("one").focus();
    element("one").blur();
    element("two").remove();
    await new Promise(requestAnimationFrame);
    expect(document.activeElement).toBe(document.body);
  });
});
