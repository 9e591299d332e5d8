/** A button with words; disabled, it keeps the focus it has. */
import type { ComponentProps, MouseEvent, ReactNode } from "react";

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
  disabled = false,
  onClick,
  ...rest
}: ButtonProps): ReactNode {
  const names = [styles["button"], styles[look], className].filter(Boolean).join(" ");
  return (
    <button
      type="button"
      {...rest}
      className={names}
      aria-disabled={disabled || undefined}
      onClick={disabled ? refuse : onClick}
    >
      {icon && <Icon name={icon} size={16} />}
      {children}
    </button>
  );
}

/** A disabled button submits no form either. */
function refuse(event: MouseEvent): void {
  event.preventDefault();
}
