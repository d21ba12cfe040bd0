#include <iostream>

int main() {
  std::cout << "program 2" << std::endl;
  return 0;
}
