#include <iostream>

int main() {
  std::cout << "program 1" << std::endl;
  return 0;
}
