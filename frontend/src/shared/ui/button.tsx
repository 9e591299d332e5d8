/** A button with words. */
import type { ComponentProps, ReactNode } from "react";

import styles from "./button.module.css";
import { Icon, type IconName } from "./icon";

interface ButtonProps extends ComponentProps<"button"> {
  look?: "primary" | "plain" | "danger";
  icon?: IconName;
}

export function Button({
  look = "plain",
  icon,
  className,
  children,
  ...rest
}: ButtonProps): ReactNode {
  const names = [styles["button"], styles[look], className].filter(Boolean).join(" ");
  return (
    <button type="button" {...rest} className={names}>
      {icon && <Icon name={icon} size={16} />}
      {children}
    </button>
  );
}
